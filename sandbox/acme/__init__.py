"""The sandbox's certificate authority and its name server, which run in one container."""
