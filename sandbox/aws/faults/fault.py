"""What a fault is."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from sandbox.aws.faults.call import Call
from sandbox.aws.refusals import Refusal

# Asks the AWS behind for something more, in the caller's place.
Ask = Callable[[str, dict[str, str]], bytes]


class Fault:
    """One fault. Its number means something else for each."""

    name: ClassVar[str]
    says: ClassVar[str]
    number: ClassVar[int] = 0

    def __init__(self, number: int | None = None) -> None:
        """Begin with nothing seen."""
        self.value = self.number if number is None else number

    def refuse(self, call: Call) -> Refusal | None:
        """The error in place of an answer."""
        return None

    def ask(self, call: Call) -> dict[str, str]:
        """Fields that the request gets besides its own."""
        return {}

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        """The answer to a request that succeeded."""
        return body
