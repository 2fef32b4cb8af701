"""Ragdock's app: pages to ask and to keep documents, and the JSON API."""
