"""A server of models elsewhere: OpenAI's API behind TLS with a key, and the same under Bedrock's name."""
