"""Which OpenSearch users get which new password, according to the stack's mapping."""

from __future__ import annotations

from typing import Any

import yaml
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar, trust_as_template

from tests.unit.role_files import ROLES

STACK, ROTATION = (
    yaml.safe_load((ROLES / name / "vars/main.yml").read_text()) for name in ("stack", "rotation")
)
SECRETS = {secret: f"old {secret}" for secret in STACK["stack_opensearch_users"].values()}


def value(name: str, *begun: str) -> Any:
    """The value of a role variable while these secrets are rotated."""
    values = SECRETS | {f"{one}_next": f"new {one}" for one in begun}
    given = {
        key: trust_as_template(one) if isinstance(one, str) else one
        for key, one in (STACK | ROTATION).items()
    }
    given |= {"_rotation_begun": list(begun), "_rotation_values": values, "stack_secret_values": values}
    return Templar(DataLoader(), variables=given).template(trust_as_template("{{ " + name + " }}"))


def test_each_user_has_the_password_of_its_secret() -> None:
    assert value("stack_opensearch_passwords")["ragdock_worker"] == "old opensearch_worker_password"
    assert len(value("stack_opensearch_passwords")) == len(SECRETS)


def test_only_users_whose_secret_is_rotated_get_a_new_password() -> None:
    assert value("_rotation_new_passwords", "api_token", "opensearch_app_password") == {
        "ragdock_app": "new opensearch_app_password"
    }
    assert value("_rotation_new_passwords", "restic_password") == {}
