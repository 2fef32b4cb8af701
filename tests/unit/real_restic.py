"""The real restic, as new as the host's (Debian 13: 0.18).

If the machine has none or an older one, it is copied from a running sandbox host; without such a host the
tests of restic fail. `make unit` leaves them to `make stack`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.docker_api import PART

CHECKOUT = Path(__file__).parents[2]
HOSTS = f"label={PART}=host"


def new_enough(program: str | None) -> bool:
    """Whether this restic distinguishes failures by exit code."""
    if program is None:
        return False
    output = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"restic (\d+)\.(\d+)", output)
    return found is not None and (int(found[1]), int(found[2])) >= (0, 17)


def taken_from_a_host(target: Path) -> bool:
    """Copy restic from a host, under a temporary name first: another test process may do the same."""
    docker = shutil.which("docker")
    if docker is None:
        return False
    listed = subprocess.run([docker, "ps", "--quiet", "--filter", HOSTS], capture_output=True, text=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    beside = target.with_name(f"{target.name}-{os.getpid()}")
    for host in listed.stdout.split():
        copied = subprocess.run([docker, "cp", f"{host}:/usr/bin/restic", str(beside)], capture_output=True)
        if copied.returncode == 0:
            beside.replace(target)
            return True
    return False


@pytest.fixture(scope="session")
def restic() -> Iterator[None]:
    """Provide a restic on the PATH that is new enough."""
    program = CHECKOUT / ".sandbox" / "bin" / "restic"
    if new_enough(shutil.which("restic")):
        yield
        return
    if not program.exists() and not taken_from_a_host(program):
        pytest.fail("needs restic 0.17 or newer, or a standing sandbox whose host has it (`make up`)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        yield
