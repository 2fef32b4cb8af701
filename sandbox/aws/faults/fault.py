"""The base class of faults."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from sandbox.aws.faults.call import Call
from sandbox.aws.refusals import Refusal

# Sends one more request to the AWS behind the faults, on behalf of the caller.
Ask = Callable[[str, dict[str, str]], bytes]


class Fault:
    """One fault. The meaning of its number depends on the fault."""

    name: ClassVar[str]
    says: ClassVar[str]
    number: ClassVar[int] = 0

    def __init__(self, number: int | None = None) -> None:
        """Start with no requests seen."""
        self.value = self.number if number is None else number

    def refuse(self, call: Call) -> Refusal | None:
        """Return an error to send in place of the answer, or None."""
        return None

    def ask(self, call: Call) -> dict[str, str]:
        """Return fields to add to the request."""
        return {}

    def answer(self, call: Call, body: bytes, ask: Ask) -> bytes:
        """Return the answer to a successful request, changed by the fault if it applies."""
        return body
