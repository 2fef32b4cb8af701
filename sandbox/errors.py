"""The error type that is shown to users of the sandbox."""

from __future__ import annotations


class SandboxError(Exception):
    """An error with what failed, why it matters or its likely cause, and what to do next."""

    def __init__(self, what: str, why: str, action: str) -> None:
        """Keep the three parts separate, so that all callers print them in the same format."""
        super().__init__(f"{what} {why} {action}")
        self.what = what
        self.why = why
        self.action = action
