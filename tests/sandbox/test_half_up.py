"""The next `up` repairs a container that is not as `up` left it: with Docker, in a separate network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tenacity import retry, retry_if_exception_type, stop_after_delay, wait_fixed

from sandbox import docker_api, parts
from sandbox.docker_api import Container
from sandbox.errors import SandboxError
from sandbox.freezer import FREEZER
from sandbox.settings import Sandbox

pytestmark = pytest.mark.docker

MADE = Sandbox(name="half-up-test")
NETWORK, RANGE, GATEWAY = "ragdock-half-up-test", "10.248.7.0/29", "10.248.7.1"
PART = Container(
    name="ragdock-half-up-test",
    image=parts.AWS_IMAGE,
    network=NETWORK,
    address="10.248.7.2",
    part="half-up-test",
    command=("600",),
    options={"entrypoint": ["sleep"], "stop_signal": "SIGKILL"},
)


def network(client: Any) -> Any:
    """Return the part's network; create it if it is missing."""
    return docker_api.ensure_network(client, MADE, NETWORK, RANGE, GATEWAY)


@pytest.fixture
def client() -> Iterator[Any]:
    """A Docker client, with the part running; the part is removed afterwards."""
    docker = docker_api.connect()
    clear(docker)
    network(docker)
    assert docker_api.ensure_container(docker, MADE, PART)
    yield docker
    clear(docker)


def clear(docker: Any) -> None:
    """Remove the part and its network."""
    if found := docker_api.find(docker, PART.name):
        found.remove(force=True)
    for one in docker.networks.list(names=[f"^{NETWORK}$"]):
        docker_api.remove_network(one)


def removed(docker: Any) -> None:
    docker.containers.get(PART.name).remove(force=True)


def stopped(docker: Any) -> None:
    docker.containers.get(PART.name).stop()


def paused(docker: Any) -> None:
    docker.containers.get(PART.name).pause()


def without_its_network(docker: Any) -> None:
    """Remove and create the network: the container still has the id of the old one."""
    docker.containers.get(PART.name).stop()
    (one,) = docker.networks.list(names=[f"^{NETWORK}$"])
    docker_api.remove_network(one)
    network(docker)


def of_another_recipe(docker: Any) -> None:
    """Replace the container with one that an earlier version of this checkout made."""
    removed(docker)
    docker_api.ensure_container(docker, MADE, PART.model_copy(update={"salt": "earlier"}))


@pytest.mark.parametrize("fault", [removed, stopped, paused, without_its_network, of_another_recipe])
def test_it_runs_again_as_wanted(client: Any, fault: Callable[[Any], None]) -> None:
    """Then a second `up` changes nothing."""
    fault(client)
    assert docker_api.ensure_container(client, MADE, PART)
    found = client.containers.get(PART.name)
    assert found.status == "running"
    assert found.attrs["NetworkSettings"]["Networks"][NETWORK]["IPAddress"] == PART.address
    assert found.labels[docker_api.CONFIG] == PART.digest(docker_api.image_id(client, PART.image))
    assert not docker_api.ensure_container(client, MADE, PART)
    assert client.containers.get(PART.name).id == found.id


def test_a_foreign_container_of_that_name_stays(client: Any) -> None:
    """The error names the container and says how to make room."""
    removed(client)
    theirs = client.containers.create(parts.AWS_IMAGE, name=PART.name, entrypoint=["sleep"], command=["600"])
    with pytest.raises(SandboxError) as refused:
        docker_api.ensure_container(client, MADE, PART)
    assert PART.name in refused.value.what
    assert client.containers.get(PART.name).id == theirs.id


def test_what_is_paused_within_it_does_not_keep_it_from_ending(client: Any) -> None:
    """As when a host's own engine has paused a container of the stack, and the host is to be removed."""
    if not FREEZER.is_dir():
        pytest.skip("version 2 of control groups: frozen processes can be killed")
    part = client.containers.get(PART.name)
    # Beside the container's own group, where an engine inside it would create one.
    group = FREEZER / PART.name
    group.mkdir()
    try:
        (group / "cgroup.procs").write_text(str(part.attrs["State"]["Pid"]))
        (group / "freezer.state").write_text("FROZEN")
        docker_api.remove(part)
    finally:
        (group / "freezer.state").write_text("THAWED")
        removed_when_empty(group)
    assert docker_api.find(client, PART.name) is None


@retry(retry=retry_if_exception_type(OSError), stop=stop_after_delay(10), wait=wait_fixed(0.2), reraise=True)
def removed_when_empty(group: Path) -> None:
    """Remove a control group; retry, since processes leave it a moment after they end."""
    group.rmdir()
