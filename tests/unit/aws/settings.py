"""The settings that tests check, and what preflight says about changes to them."""

from __future__ import annotations

from typing import Any

import yaml

from ansible_collections.ragdock.host.plugins.filter import preflight
from tests.unit.role_files import ROLES

SCHEMA = yaml.safe_load((ROLES.parent / "inventory/schema.yml").read_text())
SETTINGS: dict[str, dict[str, Any]] = SCHEMA["properties"]
DEFAULTS = yaml.safe_load((ROLES.parent / "inventory/defaults.yml").read_text())
GOOD = {name: value for name, value in DEFAULTS.items() if name.startswith("ragdock_")} | {
    "ragdock_name": "research",
    "ragdock_region": "eu-central-1",
    "ragdock_acme_email": "ops@example.org",
}
MODEL = {"name": "m", "use": ["chat", "embed"], "source": "library"}
ELSEWHERE = {
    "name": "m",
    "use": ["chat", "embed"],
    "source": "openai",
    "base_url": "https://api.openai.com/v1",
    "key": {"parameter": "remote_openai"},
}
ON_BEDROCK = ELSEWHERE | {
    "key": "bedrock",
    "base_url": "https://bedrock-runtime.eu-west-1.amazonaws.com/openai/v1",
}


def problems(**changes: Any) -> list[str]:
    """The problems that preflight reports for the defaults with CHANGES."""
    return list(preflight.preflight_problems(GOOD | changes, SCHEMA))
