"""The AWS APIs: moto, remembering what it was told."""
