"""Decides whether a request to the AWS APIs is allowed, by the policies of whoever sends it."""
