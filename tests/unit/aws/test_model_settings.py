"""Models and their host are checked; a key that was pasted into them is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.aws.settings import ELSEWHERE, MODEL, problems

SECRETS = ("sk-proj-SECRETSECRET", "ABSK0123456789abcdef==", "0123456789abcdef0123456789abcdef", "hunter2")


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("wrong", [{}, {"window": 1}, {"source": "none"}, {"source": "library"}])
def test_a_key_in_a_model_is_never_shown(secret: str, wrong: dict[str, Any]) -> None:
    """Wherever it was pasted, and whatever else is wrong with the entry: a run's output ends up in logs."""
    pasted: list[dict[str, Any]] = [
        {"key": secret},
        {"key": {"parameter": secret}},
        {"key": {"parameter": "remote_openai", "value": secret}},
        {"key": [secret]},
        {"key": {secret: "remote_openai"}},
        {"base_url": secret},
        {"base_url": f"https://me:{secret}@api.example.org/v1"},
        {"base_url": f"https://{secret}@api.example.org/v1"},
        {"base_url": f"https://me:{secret}/@x@api.example.org/v1"},
        {"base_url": f"https:/me:{secret}@api.example.org/v1"},
        {"base_url": f"https://api.example.org/v1?key={secret}"},
        {"base_url": [secret]},
        {"password": secret},
        {"api_key": {"value": secret}},
    ]
    for one in pasted:
        found = problems(ragdock_models=[MODEL, ELSEWHERE | {"name": "gpt", "use": []} | one | wrong])
        assert found, one
        for line in found:
            assert secret not in line, line
            assert line.startswith("'ragdock_models' entry 2 ('gpt')"), line


@pytest.mark.parametrize("secret", SECRETS)
def test_settings_as_one_text_and_other_addresses_show_no_secret_either(secret: str) -> None:
    """`-e` passes every value as text."""
    for name, value in (
        ("ragdock_models", f"[{{name: gpt, key: {secret}}}]"),
        ("ragdock_models", {"gpt": {"key": secret}}),
        ("ragdock_memory_limits", [{"key": secret}]),
        ("ragdock_aws_endpoint_url", f"http://me:{secret}@10.0.0.1:x"),
        ("ragdock_acme_directory", f"https://me:{secret}@acme.example.org/directory"),
        ("ragdock_backup_repository", f"rest:https://me:{secret}@backup.example.org"),
    ):
        (said,) = problems(**{name: value})
        assert said.startswith(f"'{name}' ")
        assert secret not in said, said


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ({"base_url": "http://gpu/v1"}, ", field 'base_url' is 'http://gpu/v1': it must be https://host"),
        ({"base_url": "https://gpu:99999/v1"}, ", field 'base_url' is 'https://gpu:99999/v1': it must be"),
        ({"base_url": "https://me:x@gpu/v1"}, ", field 'base_url' is 'https://(not shown)@gpu/v1': it must"),
        ({"window": 12}, ", field 'window' is 12: it must be"),
        ({"use": ["draw"]}, ", field 'use', item 1 is 'draw': it must be"),
        ({"key": {"parameter": "remote_a_next"}}, ", field 'key' is "),
        ({"pasword": "x"}, " has the field 'pasword', which is unknown. 'ragdock_models' must be"),
        ({"source": "library"}, ", field 'base_url' does not belong here. 'ragdock_models' must be"),
        ({"source": "files"}, " lacks the field 'files'. 'ragdock_models' must be"),
    ],
)
def test_the_wrong_entry_of_a_list_and_its_field_are_named(model: dict[str, Any], words: str) -> None:
    found = problems(ragdock_models=[MODEL, ELSEWHERE | {"name": "gpt", "use": []} | model])
    assert [line for line in found if line.startswith(f"'ragdock_models' entry 2 ('gpt'){words}")], found


LOCAL: list[dict[str, Any]] = [
    {"name": "spare", "use": ["fallback"], "source": "library"},
    {"name": "vectors", "use": ["embed"], "source": "library"},
]
BIG: dict[str, Any] = {"name": "big", "use": ["chat"], "source": "library", "model_host": True}
MODELLED: list[dict[str, Any]] = [BIG, *LOCAL]
ON_HOURS = "Mon-Fri 07:00-19:00 Europe/Berlin"


def test_a_model_host_with_its_hours_is_accepted() -> None:
    assert (
        problems(ragdock_model_host_type="g6.xlarge", ragdock_model_hours=ON_HOURS, ragdock_models=MODELLED)
        == []
    )


TYPE = {"ragdock_model_host_type": "g6.xlarge"}
VECTORS = LOCAL[1]
BOTH = BIG | {"source": "openai", "base_url": "https://a.example.org/v1", "key": "none"}
ALSO_SPARE = [BIG | {"use": ["chat", "fallback"]}, VECTORS]


@pytest.mark.parametrize(
    ("settings", "named", "because"),
    [
        ({"ragdock_models": MODELLED}, "ragdock_model_host_type", "a model of ragdock_models has model_host"),
        ({"ragdock_model_hours": ON_HOURS}, "ragdock_model_host_type", "ragdock_model_hours is set"),
        ({"ragdock_model_host_type": "g6"}, "ragdock_model_host_type", "an instance type such as g6.xlarge"),
        ({"ragdock_model_hours": "at night"}, "ragdock_model_hours", "days, hours and a time zone"),
        (
            TYPE | {"ragdock_model_hours": ON_HOURS, "ragdock_models": ALSO_SPARE},
            "ragdock_models",
            "another model is the fallback",
        ),
        (
            TYPE | {"ragdock_models": [BIG | {"use": ["chat", "embed"]}]},
            "ragdock_models",
            "(not for embed)",
        ),
        (TYPE | {"ragdock_models": [BOTH, *LOCAL]}, "ragdock_models", "with model_host true"),
    ],
)
def test_a_model_host_that_would_leave_questions_unanswered_is_refused(
    settings: dict[str, Any], named: str, because: str
) -> None:
    """Outside its hours another model must answer, and every search needs the embedding model."""
    said = problems(**settings)
    assert [line for line in said if line.startswith(f"'{named}'") and because in line], said


@pytest.mark.parametrize(
    "name",
    ["gemma3:1b", "all-minilm", "hf.co/bartowski/Llama-3.2-1B:Q4_K_M", "registry.example.org/team/m:v1.2"],
)
def test_a_models_name_may_be_what_ollama_takes(name: str) -> None:
    assert problems(ragdock_models=[MODEL | {"name": name}]) == []
