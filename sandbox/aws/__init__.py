"""The AWS APIs: moto, with persistent state."""
