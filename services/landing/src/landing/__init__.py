"""Ragdock's landing page: what it is, whether it is up, and a link to the app."""
