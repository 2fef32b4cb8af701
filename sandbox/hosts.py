"""Hosts: one systemd container for each instance."""

from __future__ import annotations

import enum
import json
from ipaddress import IPv4Network
from typing import Any

from docker.errors import APIError

from sandbox import docker_api, networks, seed
from sandbox.cloud import AwsApi, Instance, Subnet
from sandbox.docker_api import INSTANCE, PART, Container
from sandbox.ebs import Disk, Store, assign
from sandbox.metadata import hostname
from sandbox.settings import LABEL, Sandbox

# systemd in a container exits with these codes when it reboots or powers off.
REBOOTED = 129
POWERED_OFF = 130
STOP_SECONDS = 120


class Action(enum.Enum):
    """What to do with a host's container."""

    NOTHING = "nothing"
    CREATE = "create"
    START = "start"
    STOP = "stop"
    REBOOT = "reboot"
    REPORT_OFF = "report off"
    REMOVE = "remove"


def decide(state: str, container: str | None, exit_code: int, *, seen_running: bool, reboot: bool) -> Action:
    """Return the action for an instance in that state with a container in this state.

    A container that this loop saw running and that exited with the code of a power-off was
    switched off from inside: report that to the API. After any other exit it is started again.
    """
    if state in ("terminated", "shutting-down"):
        return Action.NOTHING if container is None else Action.REMOVE
    if state in ("stopping", "stopped"):
        return Action.STOP if container == "running" else Action.NOTHING
    if container is None:
        return Action.CREATE
    if container == "running":
        return Action.REBOOT if reboot else Action.NOTHING
    if container == "exited" and seen_running and exit_code == POWERED_OFF:
        return Action.REPORT_OFF
    return Action.START


def name(instance_id: str) -> str:
    """Return the name of an instance's container."""
    return f"ragdock-{instance_id}"


def spec(instance: Instance, sandbox: Sandbox) -> Container:
    """Specify the container of an instance, as systemd and nested Docker need it."""
    return Container(
        name=name(instance.id),
        image="ragdock-sandbox/host:trixie",
        network=networks.subnet_network(instance.subnet_id),
        address=instance.private_ip,
        part="host",
        labels={INSTANCE: instance.id},
        command=("/sbin/init",),
        options={
            "hostname": hostname(instance),
            "stop_signal": "SIGRTMIN+3",
            "host": {
                # CAP_SYS_RESOURCE is not available everywhere. Drop it, so that hosts behave the
                # same on all machines; without it they cannot raise resource limits.
                "cap_add": ["ALL"],
                "cap_drop": ["SYS_RESOURCE"],
                "security_opt": ["seccomp=unconfined", "apparmor=unconfined"],
                "unmask": True,
                "cgroupns": "host",
                "tmpfs": {"/run": "exec", "/tmp": "exec"},  # noqa: S108
                "binds": [
                    "/sys/fs/cgroup:/sys/fs/cgroup:rw",
                    f"{name(instance.id)}-docker:/var/lib/docker",
                    f"{folder(instance.id, sandbox)}:{seed.HARDWARE}:ro",
                ],
                # Allow every loop device, so that a volume can be attached while the host runs.
                "device_cgroup_rules": ["b 7:* rwm"],
                "extra_hosts": {sandbox.registry: str(sandbox.registry_address)},
            },
        },
    )


def folder(instance_id: str, sandbox: Sandbox) -> Any:
    """Return the folder with a host's list of disks and routes."""
    return sandbox.state / "hosts" / instance_id


class Hosts:
    """Makes, starts, stops and removes host containers."""

    def __init__(self, client: Any, sandbox: Sandbox, api: AwsApi, store: Store) -> None:
        """Manage containers through the Docker client, for the instances of the API."""
        self._client = client
        self._sandbox = sandbox
        self._api = api
        self._store = store

    def list(self) -> dict[str, tuple[str, str]]:
        """Return the id and state of every host container, by instance id."""
        found = self._client.api.containers(
            all=True, filters={"label": [f"{LABEL}={self._sandbox.name}", f"{PART}=host"]}
        )
        return {c["Labels"][INSTANCE]: (c["Id"], c["State"]) for c in found}

    def exit_code(self, container_id: str) -> int:
        """Return a container's exit code."""
        return int(self._client.api.inspect_container(container_id)["State"]["ExitCode"])

    def create(self, instance: Instance, subnet: Subnet) -> None:
        """Create a new host with its seed, and start it."""
        self._client.volumes.create(
            f"{name(instance.id)}-docker", labels={**self._sandbox.labels, INSTANCE: instance.id}
        )
        self.write_hardware(instance, subnet)
        container_spec = spec(instance, self._sandbox)
        ca = (self._sandbox.state / "registry" / "ca.crt").read_bytes()
        public_key = self._api.public_key(instance.key_name)
        user_data = self._api.user_data(instance.id)
        born = seed.archive(instance, self._sandbox, public_key, user_data, ca)
        container = docker_api.create(self._client, self._sandbox, container_spec)
        try:
            container.put_archive("/", born)
        except APIError:
            # A host without its seed would boot but allow no login.
            docker_api.remove(container)
            raise
        docker_api.start(container)

    def start(self, instance: Instance, subnet: Subnet) -> None:
        """Start a host."""
        self.write_hardware(instance, subnet)
        docker_api.start(self._client.containers.get(name(instance.id)))

    def stop(self, instance_id: str) -> None:
        """Shut a host down cleanly."""
        docker_api.stop(self._client.containers.get(name(instance_id)), STOP_SECONDS)

    def remove(self, instance_id: str) -> None:
        """Remove a host and its root disk."""
        container = docker_api.find(self._client, name(instance_id))
        if container is not None:
            if container.status == "running":
                docker_api.stop(container, 30)
            docker_api.remove(container)
        for volume in self._client.volumes.list(filters={"label": f"{INSTANCE}={instance_id}"}):
            volume.remove(force=True)
        place = folder(instance_id, self._sandbox)
        if place.exists():
            for path in place.iterdir():
                path.unlink()
            place.rmdir()

    def write_hardware(self, instance: Instance, subnet: Subnet) -> bool:
        """Write the host's list of disks and routes; return True if it changed."""
        place = folder(instance.id, self._sandbox)
        place.mkdir(parents=True, exist_ok=True)
        script = (self._sandbox.checkout / "sandbox" / "host" / "attach.sh").read_text()
        _replace(place / "attach.sh", script)
        names_file = place / "names.json"
        before = json.loads(names_file.read_text()) if names_file.exists() else {}
        names = assign(instance.volumes, before.items())
        _replace(names_file, json.dumps(names))
        disks = []
        for volume_id, device in names.items():
            major, minor = self._store.attach(volume_id)
            disks.append(Disk(name=device, major=major, minor=minor, volume_id=volume_id))
        router = str(IPv4Network(subnet.cidr)[2])
        return _replace(place / "hardware", seed.hardware(instance, disks, router, self._sandbox))

    def attach(self, instance_id: str) -> str:
        """Make a running host apply its list; return the error if that failed."""
        container = self._client.containers.get(name(instance_id))
        code, output = container.exec_run(["/bin/sh", f"{seed.HARDWARE}/attach.sh"])
        return "" if code == 0 else output.decode(errors="replace").strip()


def _replace(path: Any, content: str) -> bool:
    if path.exists() and path.read_text() == content:
        return False
    partial = path.with_name(f"{path.name}.partial")
    partial.write_text(content)
    partial.rename(path)
    return True
