"""Switches the faults of the sandbox: those of the AWS APIs, and those of the hosts' network."""

from __future__ import annotations

from typing import Any

import requests

from sandbox import egress
from sandbox.aws.faults.kinds import KINDS
from sandbox.aws.faults.layer import PATH
from sandbox.errors import SandboxError
from sandbox.settings import Sandbox

KNOWN = {name: kind.says for name, kind in KINDS.items()} | egress.FAULTS


def switch(sandbox: Sandbox, name: str, state: str, number: int | None) -> dict[str, str]:
    """Switch a fault on or off, unless the name is `list`; return the active faults with their numbers."""
    if name != "list" and (name not in KNOWN or state not in ("on", "off")):
        raise SandboxError(
            f"There is no fault '{name}' to switch '{state}'.",
            f"Faults are: {', '.join(KNOWN)}. States are: on, off.",
            "Run for instance: python -m sandbox fault throttling on --number 3",
        )
    if name in egress.FAULTS:
        egress.switch(sandbox, name, state)
    asked = {"name": name, "state": state} if name in KINDS else {}
    if asked and number is not None:
        asked["number"] = str(number)
    of_aws = _asked(sandbox, asked)
    return {one: f"on, N = {value}" for one, value in of_aws.items() if value is not None} | dict.fromkeys(
        egress.switched(sandbox), "on"
    )


def _asked(sandbox: Sandbox, switched: dict[str, str]) -> dict[str, Any]:
    """Switch a fault of the AWS APIs, if one is named; return all of them."""
    address = f"{sandbox.endpoint}{PATH}"
    try:
        answer = (
            requests.put(address, params=switched, timeout=5)
            if switched
            else requests.get(address, timeout=5)
        )
        answer.raise_for_status()
    except requests.RequestException as error:
        raise SandboxError(
            "The faults could not be switched.", f"The AWS endpoint does not answer: {error}.", "Run: make up"
        ) from error
    return dict(answer.json()["faults"])
