"""What the sandbox asks Docker about images, and what its images contain."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.verify.services import PLUGINS, PLUGINS_AT
from sandbox.images import Image, look

pytestmark = pytest.mark.docker

SERVICES = Path(__file__).parents[2] / "services"
OPENSEARCH = "opensearchproject/opensearch:2.19.1"


def docker(*words: str) -> str:
    """The output of a docker command that must succeed."""
    return subprocess.run(["docker", *words], capture_output=True, text=True, check=True).stdout.strip()


def plugins_of(image: str) -> set[str]:
    """Return the plugins that OpenSearch loads in this image."""
    return set(docker("run", "--rm", "--network=none", "--entrypoint=ls", image, PLUGINS_AT).split())


def test_a_machine_without_any_image_has_none() -> None:
    """The first `make up` on a new machine: Docker knows none of the names."""
    assert look([Image(name="ragdock-sandbox/nobody-made-this:1", recipe="none")]) == {}


def test_the_service_is_without_the_plugins_that_upstream_adds() -> None:
    """All of them: query-insights stores questions, and each plugin costs memory that a drill lacks."""
    assert plugins_of(OPENSEARCH) > PLUGINS
    built = docker(
        "buildx", "build", "--load", "--quiet", "--build-arg", f"OPENSEARCH_IMAGE={OPENSEARCH}",
        str(SERVICES / "opensearch"),
    )  # fmt: skip
    assert plugins_of(built) == PLUGINS
