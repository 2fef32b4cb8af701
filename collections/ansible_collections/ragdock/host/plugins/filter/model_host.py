"""Derives values from the model host's settings: its address, its hours, and the models it serves."""

from __future__ import annotations

import ipaddress
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.model_hours import parse

# The last usable address of a subnet: AWS rarely assigns it to another host by itself.
LAST = -2
FLAG = "model_host"


def model_host_address(subnet: str) -> str:
    """The model host's private address. It is fixed, so that nobody has to look it up."""
    return str(ipaddress.IPv4Network(subnet)[LAST])


def model_host_hours(text: str) -> dict[str, Any]:
    """The expressions `start` and `stop`, the time zone and the hours per week; empty text: always on."""
    return parse(text)._asdict() if text else {"start": "", "stop": "", "timezone": "", "weekly": 0}


def model_host_models(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The models that the model host serves, as they are installed there."""
    return [
        {key: value for key, value in model.items() if key != FLAG} for model in models if model.get(FLAG)
    ]


def model_host_remote(models: list[dict[str, Any]], address: dict[str, Any]) -> list[dict[str, Any]]:
    """All models as the main host sees them: those on the model host become remote models at ADDRESS."""
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
