"""The host, asked over SSH: read-only, for the sandbox and for production."""
