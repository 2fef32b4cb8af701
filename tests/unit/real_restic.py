"""The real restic, as new as the host's (Debian 13: 0.18).

Where the machine has an older one or none, it is taken once from a container of the sandbox's Debian image;
without that image the tests of restic fail. `make unit` leaves them to `make stack`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
IMAGE = "debian:trixie-slim"
CONTAINER = "ragdock-test-restic"
INSTALL = "apt-get update -qq && apt-get install -y -qq --no-install-recommends restic"


def new_enough(program: str | None) -> bool:
    """Whether this restic tells failures apart by its exit code."""
    if program is None:
        return False
    told = subprocess.run([program, "version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"restic (\d+)\.(\d+)", told)
    return found is not None and (int(found[1]), int(found[2])) >= (0, 17)


def taken_from_image(target: Path) -> bool:
    """Bring restic out of a container."""
    docker = shutil.which("docker")
    if not docker or subprocess.run([docker, "image", "inspect", IMAGE], capture_output=True).returncode:
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    run = [docker, "run", "--name", CONTAINER, "--network", "host", IMAGE, "sh", "-c", INSTALL]
    try:
        subprocess.run(run, check=True, capture_output=True)
        subprocess.run(
            [docker, "cp", f"{CONTAINER}:/usr/bin/restic", str(target)], check=True, capture_output=True
        )
    finally:
        subprocess.run([docker, "rm", "--force", CONTAINER], check=True, capture_output=True)
    return True


@pytest.fixture(scope="session")
def restic() -> Iterator[None]:
    """restic is on the PATH, and new enough."""
    program = CHECKOUT / ".sandbox" / "bin" / "restic"
    if new_enough(shutil.which("restic")):
        yield
        return
    if not program.exists() and not taken_from_image(program):
        pytest.fail("needs restic 0.17 or newer, or the sandbox's images (`make up` makes them)")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
        yield
