"""Docker Engine: the configuration that it runs with, not the one in its file."""

from __future__ import annotations

import json
from datetime import datetime
from ipaddress import ip_network
from typing import Any

import pytest

from tests.host.conftest import Target


@pytest.fixture(scope="module")
def info(host: Any) -> dict[str, Any]:
    """The output of `docker info`."""
    answer: dict[str, Any] = json.loads(host.check_output("docker info --format '{{json .}}'"))
    return answer


def test_containers_outlive_a_restart_of_the_engine(info: dict[str, Any]) -> None:
    assert info["LiveRestoreEnabled"] is True


def test_new_privileges_are_off_by_default(info: dict[str, Any]) -> None:
    assert "name=no-new-privileges" in info["SecurityOptions"]


def test_logs_are_rotated(host: Any, info: dict[str, Any], target: Target) -> None:
    assert info["LoggingDriver"] == "json-file"
    options = json.loads(host.file("/etc/docker/daemon.json").content_string)["log-opts"]
    assert options == {"max-size": target["log_max_size"], "max-file": str(target["log_max_files"])}


def test_networks_come_from_our_pool(host: Any, info: dict[str, Any], target: Target) -> None:
    """Otherwise a network could hide a part of the VPC."""
    pools = [pool["Base"] for pool in info["DefaultAddressPools"]]
    assert pools == [target["address_pool"]]
    names = host.check_output("docker network ls -q").replace("\n", " ")
    networks = json.loads(host.check_output(f"docker network inspect {names}"))
    subnets = [ip_network(item["Subnet"]) for net in networks for item in net["IPAM"]["Config"] or []]
    allowed = [ip_network(target["address_pool"]), ip_network(target["default_bridge"])]
    assert [str(net) for net in subnets if not any(net.subnet_of(pool) for pool in allowed)] == []  # type: ignore[arg-type]


def test_no_proxy_process_is_between_clients_and_containers(host: Any) -> None:
    assert host.run("pgrep -x docker-proxy").rc == 1


def test_engine_is_not_reachable_over_the_network(host: Any) -> None:
    assert "tcp://" not in host.check_output("tr '\\0' ' ' < /proc/$(pidof dockerd)/cmdline")
    socket = host.file("/run/docker.sock")
    assert (socket.user, socket.group, socket.mode) == ("root", "docker", 0o660)


def test_the_docker_group_is_empty(host: Any) -> None:
    """Membership gives root access without a password."""
    assert host.check_output("getent group docker").split(":")[3] == ""


def test_engine_runs_with_its_present_configuration(host: Any) -> None:
    shown = host.check_output("systemctl show --value --timestamp=us+utc -p ActiveEnterTimestamp docker")
    started = datetime.strptime(shown + "+0000", "%a %Y-%m-%d %H:%M:%S.%f %Z%z").timestamp()
    files = "/etc/docker/daemon.json /etc/systemd/system/docker.service.d/10-ragdock.conf"
    written = host.check_output(f"stat --format=%.6Y {files}").split()
    assert max(map(float, written)) <= started
