"""Models that run outside this host, behind servers with the OpenAI API.

Requests go through the deployment's own proxy, which adds the key and reaches no other host: neither the key
nor the address of such a server is known here. `chat` and `embed` import the openai client, which takes 20 MB
of memory, so they are only imported if a remote model is configured.
"""
