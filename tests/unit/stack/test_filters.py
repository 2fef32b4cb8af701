"""Filters give the same text for the same input: otherwise every run would create a release."""

from __future__ import annotations

from io import StringIO

import bcrypt
import pytest
from ansible.errors import AnsibleFilterError
from dotenv import dotenv_values

from ansible_collections.ragdock.host.plugins.filter.stack import (
    stack_bcrypt,
    stack_config_hash,
    stack_env,
    stack_environment,
    stack_model,
    stack_with_content,
)

SECRETS = [
    {"path": "rag-app/token", "target": "token", "uid": 1, "from": "api_token"},
    {"path": "edge/key", "target": "key", "uid": 2, "from": "edge_key"},
    {"path": "opensearch/users", "target": "users", "uid": 3, "from": "internal_users"},
]
VALUES = {"api_token": "t", "edge_key": "k"}
CONFIG = {"edge/Caddyfile": "c", "opensearch/opensearch.yml": "o"}


def test_a_services_variable_is_its_settings_name_without_the_prefix() -> None:
    schema = {
        "properties": {
            "ragdock_x_y": {"type": "integer", "x-services": ["a", "b"]},
            "ragdock_on": {"type": "boolean", "x-services": ["b"]},
            "ragdock_of_the_host": {"type": "string"},
        }
    }
    made = stack_environment(schema, {"ragdock_x_y": 3, "ragdock_on": "True"}, {"a": {"PORT": 80}, "b": {}})
    assert made == {"a": {"PORT": "80", "X_Y": "3"}, "b": {"X_Y": "3", "ON": "true"}}


def test_a_password_hash_is_stable_and_opens() -> None:
    made = stack_bcrypt("correct horse", "ragdock_app")
    assert made == stack_bcrypt("correct horse", "ragdock_app")
    assert made.startswith("$2y$10$")
    assert bcrypt.checkpw(b"correct horse", made.replace("$2y$", "$2b$").encode())


def test_two_users_with_one_password_have_two_hashes() -> None:
    assert stack_bcrypt("same", "a") != stack_bcrypt("same", "b")


@pytest.mark.parametrize(
    ("service", "secret", "text"),
    [("rag-app", "api_token", "edge/Caddyfile"), ("opensearch", "nothing", "opensearch/opensearch.yml")],
)
def test_a_new_secret_or_configuration_starts_a_service_again(service: str, secret: str, text: str) -> None:
    before = stack_config_hash(service, SECRETS, VALUES, CONFIG)
    changed = stack_config_hash(service, SECRETS, {**VALUES, secret: "new"}, {**CONFIG, text: "new"})
    assert changed != before


def test_a_new_edge_configuration_does_not_start_the_edge_again() -> None:
    before = stack_config_hash("edge", SECRETS, VALUES, CONFIG)
    assert stack_config_hash("edge", SECRETS, VALUES, {**CONFIG, "edge/Caddyfile": "new"}) == before
    assert stack_config_hash("edge", SECRETS, {**VALUES, "edge_key": "new"}, CONFIG) != before


def test_secret_files_get_their_text() -> None:
    assert stack_with_content(SECRETS[:1], VALUES) == [
        {"path": "rag-app/token", "uid": 1, "content_base64": "dA=="}
    ]


def test_models_are_found_by_use() -> None:
    models = [{"name": "big", "use": ["chat"]}, {"name": "small", "use": ["embed"]}]
    assert stack_model(models, "chat") == "big"
    assert stack_model(models, "fallback", "big") == "big"


@pytest.mark.parametrize(
    "value", ["", "plain-1.2:x/y", "two words", "a # b", "$HOME ${HOME:-x}", 'say "so"', 5, " x ", "="]
)
def test_a_value_of_env_is_read_back_as_it_was(value: str | int) -> None:
    # Compose does not interpolate between single quotes, but this reader would.
    text = f"NAME={stack_env(value, 'NAME')}\nNEXT=untouched\n"
    read = dotenv_values(stream=StringIO(text), interpolate=False)
    assert read == {"NAME": str(value), "NEXT": "untouched"}


@pytest.mark.parametrize("value", ["a\nB=c", "a\r", "it's", "a\\", "\x00"])
def test_a_value_that_env_cannot_hold_is_refused_by_name(value: str) -> None:
    with pytest.raises(AnsibleFilterError, match="NAME cannot be written"):
        stack_env(value, "NAME")
