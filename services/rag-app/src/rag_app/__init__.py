"""Ragdock's app: pages for questions and documents, and the JSON API."""
