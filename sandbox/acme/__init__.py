"""The certificate authority of the sandbox and its name server: the programs of their container."""
