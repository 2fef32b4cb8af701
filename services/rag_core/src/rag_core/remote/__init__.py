"""Models that run outside this host, behind servers that speak the OpenAI API.

They are asked through the deployment's own proxy, which adds the key and reaches no other host: neither key
nor address of such a server is known here. `chat` and `embed` import the openai client, which takes 20 MB of
memory; only a deployment that names a remote model pays for it.
"""
