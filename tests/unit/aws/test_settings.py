"""Each setting is checked; each message names the setting, its value and what is allowed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from ansible_collections.ragdock.host.plugins.filter import preflight
from tests.unit.aws.settings import ELSEWHERE, GOOD, MODEL, ON_BEDROCK, SCHEMA, SETTINGS, problems
from tests.unit.role_files import ROLES


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
        ("ragdock_vpc_cidr", "10.20.0.0/255.255.0.0"),
        ("ragdock_vpc_cidr", "10.20.0.0/016"),
        ("ragdock_vpc_cidr", "127.0.0.0/16"),
        ("ragdock_vpc_cidr", "169.254.0.0/16"),
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
        # Neither OpenSearch nor a parser would start.
        ("ragdock_memory_limits", GOOD["ragdock_memory_limits"] | {"opensearch": 256}),
        ("ragdock_memory_limits", GOOD["ragdock_memory_limits"] | {"rag-worker": 255}),
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
