"""Switches the faults of the sandbox's AWS."""

from __future__ import annotations

from typing import Any

import requests

from sandbox.aws.faults.kinds import KINDS
from sandbox.aws.faults.layer import PATH
from sandbox.errors import SandboxError
from sandbox.settings import Sandbox

KNOWN = {name: kind.says for name, kind in KINDS.items()}


def switch(sandbox: Sandbox, name: str, state: str, number: int | None) -> dict[str, int | None]:
    """Switch one on or off, unless the name is `list`; every fault with its number when it is on."""
    if name != "list" and (name not in KNOWN or state not in ("on", "off")):
        raise SandboxError(
            f"There is no fault '{name}' to switch '{state}'.",
            f"Faults are: {', '.join(KNOWN)}. States are: on, off.",
            "Run for instance: python -m sandbox fault throttling on --number 3",
        )
    address = f"{sandbox.endpoint}{PATH}"
    asked: dict[str, Any] = {"name": name, "state": state} | ({} if number is None else {"number": number})
    try:
        answer = (
            requests.get(address, timeout=5)
            if name == "list"
            else requests.put(address, params=asked, timeout=5)
        )
        answer.raise_for_status()
    except requests.RequestException as error:
        raise SandboxError(
            "The faults could not be switched.", f"The AWS endpoint does not answer: {error}.", "Run: make up"
        ) from error
    return dict(answer.json()["faults"])
