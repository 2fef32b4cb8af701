"""SSH reaches the host by `aws ssm start-session`, with the operator's profile; preflight checks for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ragdock.host.plugins.module_utils.aws import session_tools
from tests.unit.role_files import CHECKOUT

DEFAULTS = yaml.safe_load((CHECKOUT / "inventory/defaults.yml").read_text())
RECORDER = """#!/bin/sh
printf '%s\\n' "$@" > {folder}/words
"""


def program(folder: Path, name: str, text: str) -> None:
    """Write an executable program into the folder."""
    (folder / name).write_text(text)
    (folder / name).chmod(0o755)


def words_of_the_proxy(folder: Path, **changes: Any) -> list[str]:
    """The arguments that ssh, started by Ansible, passes to the AWS CLI."""
    program(folder, "aws", RECORDER.format(folder=folder))
    values = DEFAULTS | {"ragdock_name": "demo", "ragdock_region": "eu-central-1"} | changes
    values = {key: one for key, one in values.items() if key.startswith(("ragdock_", "aws_cli"))}
    values["ansible_ssh_common_args"] = values["ragdock_ssh_common_args"]
    subprocess.run(
        [
            Path(sys.executable).with_name("ansible"), "all", "-i", "i-0abc,", "-m", "ansible.builtin.ping",
            "-e", json.dumps(values),
        ],
        cwd=folder,
        env=os.environ | {"HOME": str(folder), "ANSIBLE_SSH_RETRIES": "0"},
        stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    return (folder / "words").read_text().splitlines()


SESSION = [
    *("--target", "i-0abc", "--document-name", "AWS-StartSSHSession", "--parameters", "portNumber=22"),
]


def test_the_profile_and_the_region_reach_the_proxy(tmp_path: Path) -> None:
    """A play's `environment:` does not reach a connection, so ssh would use another account's session."""
    words = words_of_the_proxy(
        tmp_path, ragdock_aws_profile="research, eu", ragdock_aws_cli_folder=str(tmp_path)
    )
    assert words == [
        *("ssm", "start-session", "--region", "eu-central-1", "--profile", "research, eu"),
        *SESSION,
    ]


def test_without_a_profile_the_default_chain_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The AWS CLI on PATH decides, as it does for every module."""
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert words_of_the_proxy(tmp_path) == ["ssm", "start-session", "--region", "eu-central-1", *SESSION]


def test_an_address_of_the_api_reaches_the_proxy_and_a_key_does_not(tmp_path: Path) -> None:
    """Every user can read the arguments of a process."""
    words = words_of_the_proxy(
        tmp_path,
        ragdock_aws_cli_folder=str(tmp_path),
        ragdock_aws_endpoint_url="http://10.99.0.2:5000",
        ragdock_aws_access_key_id="AKIAEXAMPLE",
        ragdock_aws_secret_access_key="hidden",
    )
    assert words[4:6] == ["--endpoint-url", "http://10.99.0.2:5000"]
    assert not {"AKIAEXAMPLE", "hidden"} & set(words)


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with nothing on PATH."""
    monkeypatch.setenv("PATH", "/nowhere")


def found(folder: Path, **texts: str) -> list[str]:
    """The problems reported for programs that consist of these TEXTS."""
    for name, text in texts.items():
        program(folder, name.replace("_", "-"), f"#!/bin/sh\n{text}\n")
    return session_tools.problems(str(folder))


CLI, PLUGIN = "echo aws-cli/2.17.5 Python/3.11", "echo 1.2.553.0"


@pytest.mark.usefixtures("bare_machine")
def test_both_programs_are_enough(tmp_path: Path) -> None:
    assert found(tmp_path, aws=CLI, session_manager_plugin=PLUGIN) == []


@pytest.mark.usefixtures("bare_machine")
@pytest.mark.parametrize(
    ("programs", "said"),
    [
        ({"session_manager_plugin": PLUGIN}, ["install the AWS CLI, version 2"]),
        (
            {"aws": "echo aws-cli/1.45.11 Python/3.11", "session_manager_plugin": PLUGIN},
            ["is aws-cli/1.45.11: install version 2"],
        ),
        (
            {"aws": CLI},
            [
                "`session-manager-plugin` does not run on this machine: install it (https://docs.aws.amazon.com"
            ],
        ),
        (
            {"aws": CLI, "session_manager_plugin": "exit 127"},
            ["`session-manager-plugin` does not run on this machine"],
        ),
        ({}, ["`aws --version` does not run", "`session-manager-plugin` does not run"]),
    ],
    ids=["no CLI", "old CLI", "no plugin", "broken plugin", "neither"],
)
def test_a_program_that_is_missing_is_named_with_what_to_install(
    tmp_path: Path, programs: dict[str, str], said: list[str]
) -> None:
    """Without them everything would be created, and then the host would not answer for five minutes."""
    problems = found(tmp_path, **programs)
    assert len(problems) == len(said)
    assert [text in one for text, one in zip(said, problems, strict=True)] == [True] * len(said)
