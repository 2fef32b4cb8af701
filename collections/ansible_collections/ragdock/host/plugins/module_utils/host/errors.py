"""What keeps a host from reaching its state."""

from __future__ import annotations


class HostError(RuntimeError):
    """What cannot be done, why, and what to do about it."""
