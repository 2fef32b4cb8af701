"""A value that would mean something else in a file made from it is refused."""

from __future__ import annotations

import re
from typing import Any

import pytest

from tests.unit.aws.settings import GOOD, MODEL, SETTINGS, problems

STRINGS = [name for name, one in SETTINGS.items() if one["type"] == "string"]
FITTING = {
    "ragdock_domain": "rag.example.org",
    "ragdock_aws_account_id": "123456789012",
    "ragdock_aws_endpoint_url": "http://10.99.0.2:5000",
    "ragdock_aws_profile": "research",
    "ragdock_permissions_boundary": "arn:aws:iam::123456789012:policy/boundary",
    "ragdock_aws_access_key_id": "AKIA",
    "ragdock_aws_secret_access_key": "abc/+",
    "ragdock_alarm_email": "ops@example.org",
    "ragdock_ami_id": "ami-0abcdef1234567890",
    "ragdock_backup_repository": "sftp:user@host:/backups",
    "ragdock_analytics_id": "docs.example.org",
    "ragdock_acme_ca_file": "/etc/ssl/root.pem",
    "ragdock_ssh_private_key_file": "/home/me/.ssh/key",
}
ENDS = ["\n", "\r\n", "\x00", "\x0b", "\x1b[2J", "\x85", "\u2028", "\u202e", "\x7f"]


@pytest.mark.parametrize("name", STRINGS)
def test_no_text_may_end_or_go_on_with_a_control_character(name: str) -> None:
    """In a pattern, `$` lets a line break at the end through, and `[^ ]` one in the middle."""
    good = FITTING.get(name) or GOOD[name]
    if good:
        assert problems(**{name: good}) == []
    for end in ENDS:
        for value in (f"{good}{end}", f"{good}{end}OLLAMA_BASE_URL=http://elsewhere", f"{end}{good}"):
            (said,) = problems(**{name: value})
            assert said.startswith(f"'{name}' contains a control character (U+"), said
            assert "it must be" in said


@pytest.mark.parametrize("name", [name for name, one in SETTINGS.items() if "pattern" in one])
def test_a_pattern_is_of_the_whole_value_and_lets_nothing_through_that_a_template_reads(name: str) -> None:
    """Quotes, braces, dollars and comments have a meaning in Caddy, Compose, cron, YAML and the shell."""
    good = FITTING.get(name) or GOOD[name]
    pattern = re.compile(SETTINGS[name]["pattern"])
    assert pattern.pattern.startswith("^")
    assert pattern.fullmatch(good)
    assert not pattern.fullmatch(f"{good}\n")
    for strange in ("'", '"', "`", "{", "}", "$", "#", ";", "\\", "\t", "<", "|", "&", "{$HOME}", "é"):
        assert not pattern.fullmatch(f"{good}{strange}"), (name, strange)
        assert not pattern.fullmatch(f"{strange}{good}"), (name, strange)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ragdock_acme_email", "ops@example.org\nacme_ca http://elsewhere"),
        ("ragdock_acme_email", 'ops"@example.org'),
        ("ragdock_acme_email", "ops@example.org{$HOME}"),
        ("ragdock_acme_directory", "https://acme.example.org/{env.HOME}"),
        ("ragdock_aws_endpoint_url", "http://10.0.0.1:5000\nx"),
        ("ragdock_backup_repository", "sftp:-oProxyCommand=x@host:/path"),
        ("ragdock_backup_repository", "/backups'; rm"),
        ("ragdock_ssh_user", "true"),
        ("ragdock_ssh_user", "root"),
        ("ragdock_analytics_id", "G-AB12CD34EF"),  # with the provider set to plausible
        ("ragdock_schedule_backup", "17 2 * * *\n* * * * * root id"),
        ("ragdock_models", [MODEL | {"name": "m\nOLLAMA_BASE_URL=http://elsewhere"}]),
        ("ragdock_models", [MODEL | {"name": "m'"}]),
        ("ragdock_models", [MODEL | {"name": "m # comment"}]),
        ("ragdock_models", [MODEL | {"name": "$(id)"}]),
        ("ragdock_models", [MODEL | {"name": ""}]),
        ("ragdock_models", [MODEL | {"name": ["m"]}]),
        ("ragdock_models", [MODEL | {"source": "files", "files": "m.gguf"}]),
        ("ragdock_models", [MODEL | {"source": "files", "files": ["m.gguf\n"]}]),
        ("ragdock_models", [MODEL | {"parameters": {"num ctx": 1}}]),
        ("ragdock_models", [MODEL | {"parameters": {"stop\n": 1}}]),
        ("ragdock_models", [MODEL | {"parameters": {"stop": ["a\x00"]}}]),
        ("ragdock_memory_limits", GOOD["ragdock_memory_limits"] | {"edge": "128"}),
        ("ragdock_backup_golden_queries", ["what?\n"]),
        ("ragdock_backup_golden_queries", [5]),
        ("ragdock_root_volume_gib", "20\n"),
        ("ragdock_root_volume_gib", "\uff12\uff10"),
        ("ragdock_detailed_monitoring", "true\n"),
        ("ragdock_patch_reboot", "never\n"),
    ],
)
def test_a_hostile_value_is_refused_by_its_settings_name(name: str, value: Any) -> None:
    (said,) = problems(**{name: value})
    assert said.startswith(f"'{name}' ")


def test_questions_may_be_asked_in_every_script() -> None:
    """Persian spelling uses an invisible joiner."""
    assert problems(ragdock_backup_golden_queries=["می‌خواهم?", "何ですか?", "what's 5 % of {x}?"]) == []
