"""The host loop: makes this machine match the state of the AWS APIs."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import requests
from botocore.exceptions import BotoCoreError, ClientError
from docker.errors import APIError

from sandbox import docker_api, egress, networks, remote, trust
from sandbox.cloud import AwsApi, Cloud, Instance
from sandbox.docker_api import SUBNET
from sandbox.ebs import Store
from sandbox.errors import SandboxError
from sandbox.forwarder import Endpoint, Forward, Forwarder
from sandbox.hosts import Action, Hosts, decide
from sandbox.ingress import forwards
from sandbox.listeners import owner
from sandbox.metadata import Publisher
from sandbox.settings import Sandbox

POLL = 0.4
# Seconds after which a pass runs even if nothing seems to have changed: credentials expire, and
# things get removed by hand.
AT_LEAST = 20.0

log = logging.getLogger(__name__)
Expected = (
    BotoCoreError,
    ClientError,
    APIError,
    SandboxError,
    requests.RequestException,
    OSError,
    subprocess.CalledProcessError,
)


class Loop:
    """One pass after another, until stopped."""

    def __init__(self, sandbox: Sandbox) -> None:
        """Connect to Docker and the AWS APIs."""
        self._sandbox = sandbox
        self._client = docker_api.connect()
        self._api = AwsApi(sandbox)
        self._store = Store(sandbox.state / "ebs")
        self._hosts = Hosts(self._client, sandbox, self._api, self._store)
        self._publisher = Publisher(self._api, sandbox.region, sandbox.state / "metadata")
        self._pool = ThreadPoolExecutor(max_workers=8)
        self._busy: dict[str, Future[None]] = {}
        self._running: set[str] = set()
        self._reboots: set[str] = set()
        self._account: str | None = None
        self._seen = 0
        self._problems: dict[str, str] = {}
        self.stop = threading.Event()

    async def run(self) -> None:
        """Run passes until `stop` is set."""
        forwarder = Forwarder(owner)
        before: Any = None
        looked = 0.0
        while not self.stop.is_set():
            try:
                now = await asyncio.to_thread(self._signs)
                if now != before or time.monotonic() - looked > AT_LEAST or self._problems:
                    wanted = await asyncio.to_thread(self._pass)
                    self._set("endpoint", await forwarder.follow(wanted))
                    before, looked = now, time.monotonic()
                    self._set("loop", [])
            except Expected as error:
                self._set("loop", [f"{type(error).__name__}: {error}"])
            self._report()
            await asyncio.sleep(POLL if not self._problems else 2)
        await forwarder.follow({})
        list(egress.follow(frozenset()))
        self._pool.shutdown(wait=True)

    def _signs(self) -> Any:
        """Return cheap signs of change on both sides; also collect events that leave no state (reboots)."""
        answer = requests.get(
            f"{self._sandbox.endpoint}/sandbox/events", params={"after": self._seen}, timeout=10
        ).json()
        if answer["salt"] != self._account:
            # The first pass, or a new account: ignore earlier events.
            self._account, self._seen = answer["salt"], answer["count"]
            answer["events"] = []
        for event in answer["events"]:
            if event["operation"] == "RebootInstances":
                self._reboots |= set(event["instances"])
        self._seen = answer["count"]
        containers = self._hosts.list()
        working = sorted(key for key, future in self._busy.items() if not future.done())
        return answer["salt"], answer["count"], containers, working, egress.switched(self._sandbox)

    def _pass(self) -> dict[Endpoint, Forward]:
        """Read everything and act on it; return the forwards that should be open."""
        cloud = self._api.observe()
        for line in self._store.follow(cloud):
            log.info("%s", line)
        self._publisher.follow(cloud.live)
        trust.name(self._sandbox, cloud.domains)
        in_use = {instance.subnet_id for instance in cloud.live}
        # First, since a new network may have the range of an old one.
        self._remove_networks(in_use)
        bridges = {
            subnet_id: networks.bridge(
                networks.ensure_subnet(self._client, self._sandbox, cloud.subnets[subnet_id])
            )
            for subnet_id in sorted(in_use)
        }
        for line in egress.follow(egress.closed(cloud, bridges, egress.switched(self._sandbox))):
            log.info("%s", line)
        self._follow_hosts(cloud)
        self._release(cloud)
        return forwards(cloud)

    def _follow_hosts(self, cloud: Cloud) -> None:
        containers = self._hosts.list()
        known = {instance.id: instance for instance in cloud.instances}
        for instance_id in sorted(known.keys() | containers.keys()):
            future = self._busy.get(instance_id)
            if future is not None and not future.done():
                continue
            instance = known.get(instance_id)
            container_id, state = containers.get(instance_id, ("", None))
            exited = state == "exited"
            action = decide(
                instance.state if instance and instance.subnet_id else "terminated",
                state,
                self._hosts.exit_code(container_id) if exited else 0,
                seen_running=instance_id in self._running,
                reboot=instance_id in self._reboots,
            )
            self._reboots.discard(instance_id)
            if state == "running":
                self._running.add(instance_id)
            if action is not Action.NOTHING or state == "running":
                self._busy[instance_id] = self._pool.submit(self._act, action, instance_id, instance, cloud)

    def _act(self, action: Action, instance_id: str, instance: Instance | None, cloud: Cloud) -> None:
        """Carry out one action; errors are reported and the action is retried."""
        try:
            if action is not Action.NOTHING:
                log.info("%s: %s", instance_id, action.value)
            self._do(action, instance_id, instance, cloud)
            self._set(instance_id, [])
        except Expected as error:
            self._set(instance_id, [f"{action.value} failed: {error}"])

    def _do(self, action: Action, instance_id: str, instance: Instance | None, cloud: Cloud) -> None:
        if action in (Action.STOP, Action.REMOVE, Action.REBOOT):
            self._running.discard(instance_id)
        if action is Action.REMOVE:
            self._hosts.remove(instance_id)
        elif action in (Action.STOP, Action.REBOOT):
            self._hosts.stop(instance_id)
        if instance is None or not instance.live:
            return
        subnet = cloud.subnets[instance.subnet_id]
        if action is Action.CREATE:
            self._hosts.create(instance, subnet)
        elif action in (Action.START, Action.REBOOT):
            self._hosts.start(instance, subnet)
        elif action is Action.REPORT_OFF:
            self._running.discard(instance_id)
            self._api.ec2.stop_instances(InstanceIds=[instance_id])
        elif action is Action.NOTHING and self._hosts.write_hardware(instance, subnet):
            complaint = self._hosts.attach(instance_id)
            log.info("%s: disks %s %s", instance_id, ", ".join(instance.volumes), complaint)

    def _release(self, cloud: Cloud) -> None:
        """Release the loop devices of volumes that no host uses any more."""
        held = {volume for instance in cloud.live for volume in instance.volumes}
        if all(future.done() for future in self._busy.values()):
            for line in self._store.release_all(keep=frozenset(held)):
                log.info("%s", line)

    def _remove_networks(self, in_use: set[str]) -> None:
        """Remove the networks of subnets that no longer have a host."""
        for network in networks.ours(self._client, self._sandbox):
            subnet_id = network.attrs["Labels"].get(SUBNET)
            if subnet_id is None or subnet_id in in_use:
                continue
            network.reload()
            members = {c["Name"] for c in (network.attrs.get("Containers") or {}).values()}
            # The models elsewhere stay attached to the subnet that they were started for.
            if members <= {networks.ROUTER, remote.NAME}:
                networks.remove(network)
                log.info("network of %s removed", subnet_id)

    def _set(self, key: str, problems: list[str]) -> None:
        """Set or clear the problem stored under a key."""
        text = " ".join(problems)
        if text and self._problems.get(key) != text:
            log.error("%s: %s", key, text)
        if text:
            self._problems[key] = text
        else:
            self._problems.pop(key, None)

    def _report(self) -> None:
        """Write the problems to the file that `status` reads."""
        path = self._sandbox.state / "problems.json"
        text = json.dumps(dict(sorted(self._problems.items())), indent=1)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
