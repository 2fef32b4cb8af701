"""The one kind of failure a user of the sandbox sees."""

from __future__ import annotations


class SandboxError(Exception):
    """What failed, why it matters or what probably caused it, and what to do next."""

    def __init__(self, what: str, why: str, action: str) -> None:
        """Keep the three parts apart so that each caller prints them alike."""
        super().__init__(f"{what} {why} {action}")
        self.what = what
        self.why = why
        self.action = action
