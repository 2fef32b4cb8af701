"""Shared by the web services: trust in the edge's client information, and the access log."""
