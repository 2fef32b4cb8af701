"""Brings the running stack to a release with the fewest changes and without losing a request.

Three ways, by service:
- held: opensearch, ollama, models, remote, rag-worker, edge. Compose replaces the container when its
  specification changed; while that is the edge, new connections wait.
- rolled: rag-app, landing. A new container starts beside the old one; while both live, the edge is pinned to
  the one that serves. When the new one is healthy the edge is pinned to it. The old one finishes its answers
  and gets no new requests. It runs until `finish`, so that a release that fails its smoke test is replaced at
  once; then it is stopped, and the edge uses the service's name again.
- reloaded: the edge's own configuration, when it changed. `caddy reload` swaps it without ending an answer.

Each run derives the remaining steps from the current state (containers, their specification hash, the live
configuration) and not from stored progress, so the next run completes one that was killed at any point.
"""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.docker import (
    Container,
    Engine,
    EngineError,
    address,
)
from ansible_collections.ragdock.host.plugins.module_utils.https import unverified
from ansible_collections.ragdock.host.plugins.module_utils.releases.hold import connections_wait
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    Release,
    sync_tree,
    write_atomically,
)
from ansible_collections.ragdock.host.plugins.module_utils.verify.networks import connects

HELD = ("opensearch", "ollama", "models", "remote", "rag-worker")
ROLLED = ("rag-app", "landing")
EDGE = "edge"
ADMIN = "unix//run/caddy/admin.sock"
DRAIN_SECONDS = 150
LOOK_SECONDS = 5.0
LISTEN_SECONDS = 20.0
LOADED = "edge-loaded"


@dataclass(frozen=True)
class Plan:
    """The changes that are needed."""

    up: tuple[str, ...]
    roll: tuple[str, ...]
    remove: tuple[str, ...]

    @property
    def nothing(self) -> bool:
        """Whether nothing has to change."""
        return not (self.up or self.roll or self.remove)


def plan(specs: dict[str, str], containers: list[Container]) -> Plan:
    """Compare the release's specifications with the running containers."""
    up: list[str] = []
    roll: list[str] = []
    for service, spec in specs.items():
        mine = [one for one in containers if one.service == service]
        if len(mine) == 1 and mine[0].spec == spec and mine[0].well:
            continue
        (roll if service in ROLLED else up).append(service)
    order = (*HELD, EDGE)
    up.sort(key=lambda service: order.index(service) if service in order else -1)
    return Plan(tuple(up), tuple(roll), tuple(one.id for one in containers if one.service not in specs))


def refuses_handshakes(host: str = "127.0.0.1", port: int = 443) -> bool:
    """Whether the edge answers but has no certificate to present."""
    try:
        with unverified(host, port, LOOK_SECONDS):
            return False
    except ssl.SSLError:
        return True
    except OSError:
        return False


@dataclass
class RollingUpdate:
    """Starts one release on this host."""

    engine: Engine
    release: Release
    root: Path
    timeout: float = 300.0
    report: Callable[[str], None] = lambda _text: None
    done: list[str] = field(default_factory=list)

    @property
    def live(self) -> Path:
        """The directory of the configuration that containers mount."""
        return self.root / "config"

    def did(self, what: str) -> None:
        """Note one thing that changed."""
        self.done.append(what)
        self.report(what)

    def expected_config(self) -> dict[str, str]:
        """The release's configuration files, by path below config/."""
        return {
            name.split("/", 1)[1]: text
            for name, text in self.release.files().items()
            if name.startswith("config/")
        }

    @cached_property
    def specs(self) -> dict[str, str]:
        """Service -> hash of its configuration; compose is called once, since a release does not change."""
        return self.engine.specs(self.release.path)

    def plan(self) -> Plan:
        """What has to be done."""
        return plan(self.specs, self.engine.containers())

    def stale_config(self) -> list[str]:
        """Live configuration files that differ from the release's."""
        config = self.expected_config()
        here = {str(one.relative_to(self.live)) for one in self.live.rglob("*") if one.is_file()}
        differing = [
            name
            for name, text in config.items()
            if name not in here or (self.live / name).read_text() != text
        ]
        return sorted(differing + [name for name in here if name not in config])

    def start(self) -> None:
        """Apply the changes; what was replaced still runs, without new requests, until `finish`."""
        # Keep the pins that a killed run left until their services are healthy again.
        pins = {
            f"{EDGE}/upstreams/{service}": self.upstream(service).read_text()
            for service in ROLLED
            if self.upstream(service).is_file()
        }
        for name in sync_tree(self.live, self.expected_config() | pins):
            self.did(f"config/{name} written")
        todo = self.plan()
        for container_id in todo.remove:
            self.engine.run("rm", "--force", container_id)
            self.did(f"container {container_id[:12]} of a service that is no more removed")
        held = [service for service in todo.up if service != EDGE]
        if held:
            self.up(held)
        edge_exists = any(one.service == EDGE for one in self.engine.containers())
        if EDGE in todo.up and edge_exists:
            # Before the others: the pins are written for the edge of this release.
            self.start_edge()
        for service in todo.roll:
            self.roll(service, pinned=edge_exists)
        for service in ROLLED:
            if not self.replaced(service):
                self.unpin(service)
        if EDGE in todo.up and not edge_exists:
            self.start_edge()
        self.reload_edge()

    def finish(self) -> None:
        """Stop what was replaced, and let the edge find services by their names again."""
        for service in ROLLED:
            for one in self.replaced(service):
                self.drain(one)
                self.did(f"{one.name} stopped")
            self.unpin(service)

    def replaced(self, service: str) -> list[Container]:
        """The containers of a service other than the one to which the edge is pinned, if it is."""
        content = self.upstream(service).read_text()
        if content == self.found_by_name(service):
            return []
        pinned = content.strip()
        mine = [one for one in self.engine.containers() if one.service == service]
        return [one for one in mine if one.name != pinned] if pinned in {one.name for one in mine} else []

    def start_edge(self) -> None:
        """Start the edge as this release specifies it, with the live configuration."""
        self.forget_loaded()
        with connections_wait():
            before = self.create([EDGE])
            # Wait only until it listens: before it is healthy, an authority may have to connect to issue its
            # certificate.
            until = time.monotonic() + LISTEN_SECONDS
            while not self.edge_listens() and time.monotonic() < until:
                time.sleep(0.1)
        self.await_health([EDGE], before)
        self.note_loaded()

    def edge_listens(self) -> bool:
        """Whether the edge accepts connections, or ended."""
        edges = [one for one in self.engine.containers() if one.service == EDGE and one.state == "running"]
        if not edges:
            return True
        (found,) = json.loads(self.engine.run("container", "inspect", edges[0].id).stdout)
        # Connect to the container itself, since connections to the published port wait.
        return connects((address(found), 443))

    def up(self, services: list[str]) -> None:
        """Let compose create these services, and wait until each is healthy."""
        self.await_health(services, self.create(services))

    def create(self, services: list[str]) -> set[str]:
        """Let compose create these services; return the ids of their containers that were healthy before."""
        before = set()
        for one in self.engine.containers():
            if one.service in services and one.well:
                before.add(one.id)
            elif one.service in services and one.health == "unhealthy":
                # Compose does not touch a container that runs as specified, even if it is unhealthy.
                self.engine.run("restart", one.id, timeout=DRAIN_SECONDS)
        done = self.engine.compose(
            self.release.path, "up", "--detach", "--no-deps", "--no-build", "--pull", "never", *services,
            timeout=self.timeout, check=False,
        )  # fmt: skip
        if done.returncode != 0:
            raise EngineError(
                f"compose could not start {', '.join(services)}: {done.stderr.strip()[-800:]}", services[0]
            )
        return before

    def await_health(self, services: list[str], before: set[str]) -> None:
        """Wait until each service is healthy; containers that are not among `before` were started."""
        for one in self.engine.containers():
            if one.service in services:
                self.engine.wait(one.id, self.timeout)
                if one.id not in before:
                    self.did(f"{one.service} started")

    def roll(self, service: str, *, pinned: bool) -> None:
        """Replace a stateless service without losing a request."""
        spec = self.specs[service]
        mine: list[Container] = []
        for one in self.engine.containers():
            if one.service == service and (
                one.well or (one.spec == spec and one.state == "running" and one.health == "starting")
            ):
                mine.append(one)
            elif one.service == service:
                # It neither serves nor starts, and would only distort the count for --scale.
                self.engine.run("rm", "--force", one.id)
                self.did(f"{one.summary()}: removed")
        serving = [one for one in mine if one.well]
        found = next((one for one in mine if one.spec == spec), None)
        if pinned and serving:
            newest = next((one for one in serving if one.spec == spec), serving[0])
            self.pin(service, newest.name)
            # One more at most: those that earlier runs left would take its memory.
            self.drain(*(one for one in mine if one not in (newest, found)))
        new = self.engine.wait((found or self.beside(service, spec)).id, self.timeout)
        if pinned:
            self.pin(service, new.name)
        self.did(f"{service} {'kept' if found else 'started'} as {new.name}")
        if not pinned:
            self.drain(*(one for one in mine if one.id != new.id))

    def beside(self, service: str, spec: str) -> Container:
        """Start a new container of a service beside the running ones."""
        count = 1 + sum(one.service == service for one in self.engine.containers())
        self.engine.compose(
            self.release.path, "up", "--detach", "--no-deps", "--no-build", "--pull", "never",
            "--no-recreate", "--scale", f"{service}={count}", service, timeout=self.timeout,
        )  # fmt: skip
        for one in self.engine.containers():
            if one.service == service and one.spec == spec:
                return one
        raise EngineError(
            f"compose made no new container of {service}; `docker ps --all` on the host shows what there is.",
            service,
        )

    def drain(self, *containers: Container) -> None:
        """Stop containers that get no new requests; they finish those they have (stop_grace_period)."""
        for old in containers:
            self.engine.run("stop", old.id, timeout=DRAIN_SECONDS, check=False)
            self.engine.run("rm", "--force", old.id, check=False)

    def upstream(self, service: str) -> Path:
        """The file with a service's address, which the edge reads for each request."""
        return self.live / EDGE / "upstreams" / service

    def found_by_name(self, service: str) -> str:
        """The content of that file while the edge finds the service by its name."""
        return self.expected_config()[f"{EDGE}/upstreams/{service}"]

    def pin(self, service: str, container: str) -> None:
        """Make the edge send a service's requests to one container."""
        write_atomically(self.upstream(service), f"{container}\n")

    def unpin(self, service: str) -> None:
        """Let the edge find a service by its name again, as the release specifies."""
        content = self.found_by_name(service)
        if self.upstream(service).read_text() != content:
            write_atomically(self.upstream(service), content)

    def reload_edge(self) -> None:
        """Reload the running edge if it does not have the live configuration."""
        if self.loaded() != self.edge_config():
            self.caddy_reload()
            if "pki {" in (self.live / EDGE / "Caddyfile").read_text() and refuses_handshakes():
                # Caddy drops a certificate of another authority, and gets a new one only at the next load.
                self.caddy_reload("--force")
            self.note_loaded()
            self.did("edge reloaded")

    def caddy_reload(self, *how: str) -> None:
        """Swap the configuration of the running edge; connections stay."""
        edges = [one for one in self.engine.containers() if one.service == EDGE and one.state == "running"]
        for edge in edges:
            done = self.engine.run(
                "exec",
                edge.id,
                "caddy",
                "reload",
                "--config",
                "/etc/caddy/Caddyfile",
                "--address",
                ADMIN,
                *how,
                check=False,
            )
            if done.returncode != 0:
                raise EngineError(
                    f"The edge refused its configuration and keeps the old one: {done.stderr.strip()[-600:]}",
                    EDGE,
                )

    @property
    def mark(self) -> Path:
        """The file with the hash of the configuration that the edge runs with."""
        return self.root / "state" / LOADED

    def edge_config(self) -> str:
        """Hash of the edge's live configuration, without what it reads for each request."""
        files = sorted(
            one for one in (self.live / EDGE).rglob("*") if one.is_file() and one.parent.name != "upstreams"
        )
        text = "".join(f"{one.relative_to(self.live)}\n{one.read_text()}\n" for one in files)
        return hashlib.sha256(text.encode()).hexdigest()

    def loaded(self) -> str:
        """The noted hash; empty while a reload is under way."""
        return self.mark.read_text().strip() if self.mark.is_file() else ""

    def forget_loaded(self) -> None:
        """Remove the noted hash."""
        self.mark.unlink(missing_ok=True)

    def note_loaded(self) -> None:
        """Note that the edge runs with the live configuration."""
        self.mark.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.mark, self.edge_config() + "\n")
