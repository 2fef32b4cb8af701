"""A server for remote models: OpenAI's API behind TLS with a key, also under Bedrock's host name."""
