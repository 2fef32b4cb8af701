"""Ragdock's front page: what it is, is it up, and the way in."""
