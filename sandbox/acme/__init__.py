"""The certificate authority of the sandbox and the name server that it asks: what runs in their container."""
