"""Sandbox programs that run in a container or on a host get every module that they import."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from sandbox import agent, domain, parts
from sandbox.docker_api import Container
from sandbox.settings import Sandbox
from tests.unit.role_files import CHECKOUT

LIBRARY = "/opt/ragdock/"
OF_THE_AGENT = "usr/lib/amazon-ssm-agent/"


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    """A sandbox that has a secret."""
    found = Sandbox(checkout=tmp_path / "checkout")
    found.secret.parent.mkdir(parents=True)
    found.secret.write_bytes(b"secret")
    for name in ("sandbox", "roles", "docs"):
        (found.checkout / name).symlink_to(CHECKOUT / name)
    return found


def starts(program: str, files: Mapping[str, Path | bytes], place: Path) -> None:
    """Import a program with only these files available."""
    for name, source in files.items():
        path = place / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(source, bytes):
            path.write_bytes(source)
        else:
            path.symlink_to(source)
    # -P: do not import from the current directory.
    words = [sys.executable, "-P", "-c", f"import {program}"]
    done = subprocess.run(
        words, env={"PYTHONPATH": str(place)}, cwd=place, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def mounted(container: Container) -> dict[str, Path]:
    """The modules that are mounted into a container."""
    binds = [one.split(":") for one in container.options["host"]["binds"]]
    return {there.removeprefix(LIBRARY): Path(here) for here, there, *_ in binds if there.startswith(LIBRARY)}


def test_of_the_aws_apis(sandbox: Sandbox, tmp_path: Path) -> None:
    container = parts.aws(sandbox)
    for program in ("sandbox.aws.server", "sandbox.aws.authorization.judge", "sandbox.aws.faults.layer"):
        starts(program, mounted(container), tmp_path / program)


def test_of_the_certificate_authority(sandbox: Sandbox, tmp_path: Path) -> None:
    starts("sandbox.acme.server", mounted(domain.container(sandbox)), tmp_path / "acme")


def test_of_the_agent(sandbox: Sandbox, tmp_path: Path) -> None:
    """A host has no other module of the sandbox."""
    sources = agent._sources(sandbox)
    files = {name.removeprefix(OF_THE_AGENT): content for name, content in sources.items()}
    starts("sandbox.session.agent", files, tmp_path / "agent")
