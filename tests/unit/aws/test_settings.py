"""Each setting is checked; each message names the setting, its value and what is allowed."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from jsonschema import Draft202012Validator

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


def test_the_defaults_with_name_and_region_are_accepted() -> None:
    """Only these two settings are required."""
    assert problems() == []


def test_the_schema_is_one_and_describes_every_setting() -> None:
    """Each has a description, a type and a default."""
    Draft202012Validator.check_schema(SCHEMA)
    assert set(GOOD) == set(SETTINGS)
    assert [
        name for name, one in SETTINGS.items() if not {"description", "type", "default"} <= set(one)
    ] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_a_missing_setting_is_named(name: str) -> None:
    """A settings file may have removed a default."""
    values = {key: value for key, value in GOOD.items() if key != name}
    (problem,) = [
        line
        for line in preflight.preflight_problems(values, SCHEMA)
        if f"'{name}'" in line and "is not set" in line
    ]
    assert "it must be" in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ragdock_name", ""),
        ("ragdock_name", "Research"),
        ("ragdock_name", "a" * 21),
        ("ragdock_name", "ends-"),
        ("ragdock_region", "Frankfurt"),
        ("ragdock_vpc_cidr", "10.20.0.0"),
        ("ragdock_vpc_cidr", "8.8.0.0/16"),
        ("ragdock_vpc_cidr", "10.0.0.0/8"),
        ("ragdock_vpc_cidr", "10.20.0.1/16"),
        ("ragdock_subnet_cidr", "10.21.1.0/24"),
        ("ragdock_aws_account_id", "12345"),
        ("ragdock_aws_account_id", 123456789012),
        ("ragdock_aws_endpoint_url", "localhost:5000"),
        ("ragdock_domain", "https://rag.example.org"),
        ("ragdock_certificate", "none"),
        ("ragdock_allowed_cidrs", []),
        ("ragdock_allowed_cidrs", "203.0.113.0/24"),
        ("ragdock_allowed_cidrs", ["203.0.113.7"]),
        ("ragdock_allowed_cidrs", ["203.0.113.7/24"]),
        ("ragdock_allowed_cidrs", ["2001:DB8::/32"]),
        ("ragdock_allowed_cidrs", ["2001:db8:0::/32"]),
        ("ragdock_allowed_cidrs", ["203.0.113.0/24", "203.0.113.0/24"]),
        ("ragdock_allowed_cidrs", ["office"]),
        ("ragdock_allowed_cidrs", [7]),
        ("ragdock_allowed_cidrs", [f"203.0.113.{number}/32" for number in range(31)]),
        ("ragdock_alarm_email", "nobody"),
        ("ragdock_instance_type", "large"),
        ("ragdock_ami_id", "debian-13"),
        ("ragdock_root_volume_gib", 7),
        ("ragdock_root_volume_gib", "twenty"),
        ("ragdock_root_volume_gib", 20.5),
        ("ragdock_root_volume_gib", True),
        ("ragdock_data_volume_gib", 16385),
        ("ragdock_termination_protection", "perhaps"),
        ("ragdock_aws_cli_folder", "aws/bin"),
        ("ragdock_aws_cli_folder", "/opt/a'b"),
        ("ragdock_backup_bucket", ""),
        ("ragdock_backup_bucket", "My_Bucket"),
        ("ragdock_upload_max_mib", 0),
        ("ragdock_upload_slots", 0),
        ("ragdock_upload_slots", 2.5),
        ("ragdock_upload_slots", "many"),
        ("ragdock_upload_reserve_mib", 0),
        ("ragdock_upload_reserve_mib", "2 GiB"),
        ("ragdock_ocr_languages", ""),
        ("ragdock_ocr_languages", "eng,deu"),
        ("ragdock_ocr_languages", "eng+klingon"),
        ("ragdock_ocr_languages", "none+eng"),
        ("ragdock_releases_to_keep", 1),
        ("ragdock_analytics_provider", "matomo"),
        ("ragdock_memory_limits", {"opensearch": 2048}),
        ("ragdock_memory_limits", GOOD["ragdock_memory_limits"] | {"edge": 8}),
        ("ragdock_memory_limits", GOOD["ragdock_memory_limits"] | {"gpu": 512}),
        ("ragdock_models", []),
        ("ragdock_models", ["gemma3:1b"]),
        ("ragdock_models", [MODEL | {"use": ["chat"]}]),
        ("ragdock_models", [MODEL | {"use": ["chat", "embed", "draw"]}]),
        ("ragdock_models", [MODEL | {"source": "files"}]),
        ("ragdock_models", [MODEL, MODEL | {"name": "n"}]),
        ("ragdock_models", [MODEL, MODEL | {"use": ["fallback"]}]),
        ("ragdock_models", [MODEL | {"source": "openai"}]),
        ("ragdock_models", [MODEL | {"base_url": "https://api.openai.com/v1"}]),
        ("ragdock_models", [MODEL | {"key": "none"}]),
        ("ragdock_models", [ELSEWHERE | {"files": ["m.gguf"]}]),
        ("ragdock_models", [ELSEWHERE | {"parameters": {"num_ctx": 2048}}]),
        *(
            ("ragdock_models", [ELSEWHERE | {"base_url": url}])
            for url in (
                "http://api.openai.com/v1",
                "https://api.openai.com/v1/",
                "https://me:secret@api.openai.com/v1",
                "https://api.openai.com/v1?key=secret",
                "https://{env.KEY}/v1",
                "https://",
                "https://api.openai.com:65536/v1",
                "https://api.openai.com:99999/v1",
                "https://api..example/v1",
                "https://api.example./v1",
                "https://api-.example/v1",
                f"https://{'a' * 64}.example/v1",
                "https://10.0.0.256/v1",
                "https://1.2.3/v1",
            )
        ),
        *(
            ("ragdock_models", [ELSEWHERE | {"key": key}])
            for key in (
                "sk-the-key-itself",
                {"parameter": "app_password"},
                {"parameter": "remote_openai_next"},
                {"parameter": "remote_openai", "value": "sk"},
                {"parameter": "remote_/../lock"},
                {},
            )
        ),
        ("ragdock_models", [ELSEWHERE | {"key": "bedrock"}]),
        ("ragdock_models", [ON_BEDROCK | {"base_url": "https://bedrock-runtime.example.org/v1"}]),
        ("ragdock_models", [ELSEWHERE | {"model": "a b"}]),
        ("ragdock_models", [ELSEWHERE | {"tokens_per_day": -1}]),
        ("ragdock_models", [ELSEWHERE | {"window": 2048}]),
        ("ragdock_models", [ELSEWHERE | {"parallel": 0}]),
        ("ragdock_models", [MODEL | {"parallel": 2}]),
        ("ragdock_models", [ELSEWHERE | {"password": "secret"}]),
        ("ragdock_acme_directory", "http://acme.example.org/directory"),
        ("ragdock_ssh_user", "Admin User"),
        ("ragdock_analytics_id", "my site"),
        ("ragdock_backup_repository", "backups"),
        ("ragdock_backup_repository", "sftp:host"),
        ("ragdock_backup_golden_queries", 5),
        ("ragdock_schedule_backup", "every night"),
        ("ragdock_schedule_backup", "60 2 * * *"),
        ("ragdock_schedule_drill", "0 24 * * *"),
        ("ragdock_schedule_patch", "0 2 1 * *"),
        ("ragdock_schedule_prune", "0 2 * * 8"),
        ("ragdock_schedule_renew", "* * * * *"),
        ("ragdock_schedule_drift", "@daily"),
        ("ragdock_schedule_timeout_minutes", {"backup": 60}),
        ("ragdock_schedule_timeout_minutes", GOOD["ragdock_schedule_timeout_minutes"] | {"drill": 0}),
        ("ragdock_schedule_timeout_minutes", GOOD["ragdock_schedule_timeout_minutes"] | {"lunch": 60}),
    ],
)
def test_a_wrong_value_is_named_with_what_is_allowed(name: str, value: Any) -> None:
    """There is one message for the setting, and none for others."""
    found = problems(**{name: value})
    assert len(found) == 1
    shown = "empty" if value == "" else repr(value)
    if SETTINGS[name]["type"] in ("array", "object"):
        assert found[0].startswith(f"'{name}' ")
        assert isinstance(value, int) or shown not in found[0], "another field may have a secret"
    else:
        assert found[0].startswith(f"'{name}' is {shown}: it must be ")


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


def test_every_wrong_entry_of_a_setting_is_reported() -> None:
    limits = GOOD["ragdock_memory_limits"] | {"edge": 8, "landing": "much"}
    assert sorted(line.partition(":")[0] for line in problems(ragdock_memory_limits=limits)) == [
        "'ragdock_memory_limits' field 'edge' is 8",
        "'ragdock_memory_limits' field 'landing' is 'much'",
    ]
    (said,) = problems(ragdock_models=[MODEL | {"use": ["chat"]}])
    assert (
        said
        == "'ragdock_models' is a list of 1: it must be a list in which exactly one model has the use embed."
    )


@pytest.mark.parametrize("name", [name for name, one in SETTINGS.items() if "minimum" in one])
def test_a_number_out_of_its_range_is_refused_at_both_ends(name: str) -> None:
    """The limits themselves are allowed."""
    one = SETTINGS[name]
    for allowed in (one["minimum"], one["maximum"]):
        assert not [line for line in problems(**{name: allowed}) if f"'{name}'" in line]
    for wrong in (one["minimum"] - 1, one["maximum"] + 1):
        assert problems(**{name: wrong}) == [f"'{name}' is {wrong}: it must be {preflight.says(one)}."]


def test_the_only_value_that_is_allowed_is_named_as_such() -> None:
    """A reader of "one of" would look for the others."""
    assert problems(ragdock_root="/srv") == ["'ragdock_root' is '/srv': it must be /opt/ragdock."]


@pytest.mark.parametrize(
    "name", [name for name, one in SETTINGS.items() if one["type"] == "boolean" or "enum" in one]
)
def test_a_choice_that_there_is_not_is_refused(name: str) -> None:
    """The message lists the valid choices."""
    (problem,) = problems(**{name: "perhaps"})
    assert problem.startswith(f"'{name}' is 'perhaps': it must be ")
    for choice in SETTINGS[name].get("enum", []):
        assert choice in problem


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


@pytest.mark.parametrize("name", [name for name in SETTINGS if name.startswith("ragdock_schedule_")])
def test_every_job_can_be_set_to_a_time_or_switched_off(name: str) -> None:
    """For example Sundays and Wednesdays. The settings beside the times take numbers."""
    if SETTINGS[name]["type"] == "string":
        for value in ("", "17 2 * * *", "5 23 * * 0,3"):
            assert problems(**{name: value}) == []


@pytest.mark.parametrize(
    ("reserve", "volume", "refused"),
    [(10239, 10, False), (10240, 10, True), ("10240", "10", True), (20480, 40, False), (1024, "big", False)],
)
def test_the_free_space_that_uploads_leave_is_a_part_of_the_volume(
    reserve: Any, volume: Any, refused: bool
) -> None:
    """A reserve as large as the disk would refuse every upload; an invalid volume has its own message."""
    said = problems(ragdock_upload_reserve_mib=reserve, ragdock_data_volume_gib=volume)
    assert [line for line in said if line.startswith("'ragdock_upload_reserve_mib'")] == (
        [
            f"'ragdock_upload_reserve_mib' is {int(reserve)}: it must be a whole number from 1024"
            " to 32768 (MiB), and less than ragdock_data_volume_gib holds."
        ]
        if refused
        else []
    )


def test_every_language_that_the_image_reads_may_be_named() -> None:
    """The image's Dockerfile and the setting's pattern list the same languages."""
    dockerfile = (ROLES.parent / "services" / "rag-worker" / "Dockerfile").read_text()
    installed = [name.replace("-", "_") for name in re.findall(r"tesseract-ocr-([a-z-]+)", dockerfile)]
    assert len(installed) >= 5
    assert problems(ragdock_ocr_languages="+".join(["eng", *installed])) == []
    said = problems(ragdock_ocr_languages="xxx")[0]
    assert all(name in said for name in ["eng", *installed])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ragdock_root_volume_gib", "30"),
        ("ragdock_detailed_monitoring", "true"),
        ("ragdock_backup_bucket", "none"),
        ("ragdock_alarm_email", "ops@example.org"),
        ("ragdock_vpc_cidr", "10.20.0.0/20"),
        ("ragdock_ocr_languages", "none"),
        ("ragdock_ocr_languages", "eng+chi_sim"),
        ("ragdock_models", [MODEL]),
        ("ragdock_models", [MODEL, {"name": "big", "use": ["large"], "source": "library"}]),
        ("ragdock_models", [ELSEWHERE]),
        ("ragdock_models", [ON_BEDROCK]),
        ("ragdock_models", [ON_BEDROCK | {"base_url": "https://bedrock-mantle.us-east-1.api.aws/v1"}]),
        (
            "ragdock_models",
            [
                ELSEWHERE
                | {
                    "base_url": "https://gpu-1.example.org:8443/v1",
                    "key": "none",
                    "model": "BAAI/bge-m3",
                    "ca_file": "ca.pem",
                    "tokens_per_day": 0,
                    "window": 131072,
                    "parallel": 64,
                }
            ],
        ),
        ("ragdock_memory_limits", GOOD["ragdock_memory_limits"] | {"remote": 96}),
        (
            "ragdock_models",
            [MODEL | {"source": "files", "files": ["m.gguf"], "parameters": {"num_ctx": 2048}}],
        ),
    ],
)
def test_a_right_value_is_accepted(name: str, value: Any) -> None:
    """`-e name=value` passes every value as text."""
    assert problems(**{name: value}) == []


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("ragdock_regoin", "ragdock_region"),
        ("ragdock_instance_typ", "ragdock_instance_type"),
        ("ragdock_upload_limit_mib", "ragdock_upload_max_mib"),
        ("ragdock_backups_bucket", "ragdock_backup_bucket"),
    ],
)
def test_a_misspelt_name_is_refused_with_its_neighbour(name: str, near: str) -> None:
    """Otherwise the operator would believe in a setting that nothing reads."""
    assert problems(**{name: "x"}) == [f"'{name}' is not a setting; did you mean '{near}'?"]


def test_a_setting_that_is_gone_is_refused_with_what_to_do() -> None:
    """No port is open for SSH, so neither a private nor a public address could be reached."""
    (problem,) = problems(ragdock_ssh_address="private_ip")
    assert "'ragdock_ssh_address' is no longer a setting" in problem
    assert "Remove the line" in problem


@pytest.mark.parametrize(("enabled", "asked"), [("false", 0), (False, 0), ("true", 1), (True, 1)])
def test_an_id_is_asked_for_only_with_a_provider(enabled: Any, asked: int) -> None:
    """`-e ragdock_analytics_enabled=false` passes text, which means no."""
    assert len(problems(ragdock_analytics_enabled=enabled)) == asked


def test_a_domain_needs_a_contact() -> None:
    """The certificate authority needs an address for its warnings."""
    assert problems(ragdock_domain="rag.example.org", ragdock_acme_email="") == [
        "'ragdock_acme_email' is empty (because ragdock_domain is set): it must be an e-mail address."
    ]


def test_a_secret_is_not_shown() -> None:
    """The output of a run ends up in logs."""
    (said,) = problems(ragdock_aws_secret_access_key="not a key")
    assert said.startswith("'ragdock_aws_secret_access_key' is a value that is not shown")
    assert "not a key" not in said


def test_all_problems_are_reported_at_once() -> None:
    """An operator should not have to fix them one run at a time."""
    assert len(problems(ragdock_name="X", ragdock_region="", ragdock_upload_max_mib=0)) == 3


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


@pytest.mark.parametrize(
    "name",
    ["gemma3:1b", "all-minilm", "hf.co/bartowski/Llama-3.2-1B:Q4_K_M", "registry.example.org/team/m:v1.2"],
)
def test_a_models_name_may_be_what_ollama_takes(name: str) -> None:
    assert problems(ragdock_models=[MODEL | {"name": name}]) == []


def test_questions_may_be_asked_in_every_script() -> None:
    """Persian spelling uses an invisible joiner."""
    assert problems(ragdock_backup_golden_queries=["می‌خواهم?", "何ですか?", "what's 5 % of {x}?"]) == []
