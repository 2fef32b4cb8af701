"""Fixtures that run playbooks against an empty local AWS; every test leaves it empty."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.local_aws import LocalAws, faulty_aws

ROOT = Path(__file__).parents[2]
IMAGE = "/local/debian/13"  # AWS keeps names below /aws for itself
Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put one of the two longest tests last: neighbours are given to one process, one after the other."""
    items.sort(key=lambda item: item.path == Path(__file__).with_name("test_model_host.py"))


@dataclass(frozen=True)
class Deployments(LocalAws):
    """A local AWS that can list what a run has created."""

    def made(self, name: str = "refused") -> list[str]:
        """Names of what a run has created: networks, parameters, repositories."""
        mine = [{"Name": "tag:ragdock:name", "Values": [name]}]
        networks = [item["VpcId"] for item in self.client("ec2").describe_vpcs(Filters=mine)["Vpcs"]]
        parameters = self.client("ssm").get_parameters_by_path(Path=f"/ragdock/{name}")["Parameters"]
        pages = self.client("ecr").get_paginator("describe_repositories").paginate()
        repositories = [item["repositoryName"] for page in pages for item in page["repositories"]]
        return (
            networks
            + [item["Name"] for item in parameters]
            + [one for one in repositories if one.startswith(f"ragdock/{name}/")]
        )


@pytest.fixture(scope="session")
def aws() -> Iterator[Deployments]:
    """One local AWS for all these tests: none of them leaves anything in it."""
    with faulty_aws() as local:
        yield Deployments(local.url, local.faults)


@pytest.fixture
def playbook(aws: Deployments, tmp_path: Path) -> Run:
    """Runs a playbook with the sandbox's inventory and the test's own settings."""
    # Set for each test: another local AWS in this process resets the state that both share.
    aws.client("ssm").put_parameter(Name=IMAGE, Value="ami-12c6146b", Type="String", Overwrite=True)

    def run(
        name: str, environment: dict[str, str] | None = None, timeout: float = 120, **settings: Any
    ) -> subprocess.CompletedProcess[str]:
        values = {
            "ragdock_name": "refused",
            "ragdock_aws_endpoint_url": aws.url,
            "ragdock_ami_ssm_parameter": IMAGE,
            "state_dir": str(tmp_path),
            # The sandbox creates its own key when it starts; nothing here needs it.
            "aws_host_agent_key": "amazon-ssm-agent.asc",
        } | settings
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("AWS_", "ANSIBLE_"))}
        return subprocess.run(
            [
                Path(sys.executable).with_name("ansible-playbook"),
                "-i",
                "inventory/sandbox",
                "-e",
                json.dumps(values),
                name,
            ],
            cwd=ROOT,
            env=clean | {"ANSIBLE_FORCE_COLOR": "0", "COLUMNS": "400"} | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run
