"""What is made of the settings of the model host: its address, its hours, and which models it serves."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.model_hours import parse

# The last address that AWS gives out in a subnet: one that it chooses itself is rarely this one.
LAST = -2
FLAG = "model_host"


def model_host_address(subnet: str) -> str:
    """The model host's private address. It is fixed, so that nobody has to look it up."""
    return str(ipaddress.IPv4Network(subnet)[LAST])


def model_host_hours(text: str) -> dict[str, Any]:
    """The expressions `start` and `stop`, the time zone, and the hours a week; of no text all hours."""
    return parse(text)._asdict() if text else {"start": "", "stop": "", "timezone": "", "weekly": 0}


def model_host_models(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The models that the model host serves, as they are installed there."""
    return [
        {key: value for key, value in model.items() if key != FLAG} for model in models if model.get(FLAG)
    ]


def model_host_remote(models: list[dict[str, Any]], address: dict[str, Any]) -> list[dict[str, Any]]:
    """All models, as the main host knows them: those of the model host are remote ones, at this ADDRESS."""
    return [
        {"name": model["name"], "use": model["use"], "source": "openai", FLAG: True, **address}
        if model.get(FLAG)
        else model
        for model in models
    ]


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {
            "model_host_address": model_host_address,
            "model_host_hours": model_host_hours,
            "model_host_models": model_host_models,
            "model_host_remote": model_host_remote,
        }
