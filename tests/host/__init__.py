"""Read-only tests of the host over SSH, for the sandbox and for production."""
