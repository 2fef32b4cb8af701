"""Checks of the containers: what runs, as whom, and what it may do."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    Deployment,
    Row,
    judged,
    name_of,
    service_of,
)

AREA = "containers"
MIB = 1 << 20
PUBLISHED = {"80", "443"}
# The edge alone binds ports below 1024.
ALLOWED_CAPABILITIES = {"edge": {"NET_BIND_SERVICE"}}
NET_BIND_SERVICE = 1 << 10
DEPLOY = "Run playbooks/deploy.yml: it starts what is written down."
COMPOSE = "Correct compose/compose.yaml.j2 and run playbooks/deploy.yml."


def what_runs(deployment: Deployment) -> Iterator[Row]:
    """Every service, healthy, by the digests of the release."""
    running = [one for one in deployment.containers if one["State"]["Status"] == "running"]
    names = {service_of(one) for one in running}
    unwell = [f"{service} does not run" for service in deployment.services if service not in names]
    for one in deployment.containers:
        state = one["State"]
        health = (state.get("Health") or {}).get("Status", "without a healthcheck")
        if state["Status"] != "running" or health != "healthy":
            unwell.append(f"{name_of(one)} is {state['Status']}, {health}")
    hint = "`docker compose -p ragdock logs --tail 50 <service>` on the host shows why."
    yield judged(AREA, "every service runs and is healthy", unwell, f"{len(running)} healthy", hint)

    images = deployment.release.get("images")
    other = [
        f"{service_of(one)} runs {one['Config']['Image'].rpartition('/')[2][:40]}"
        for one in running
        if images and one["Config"]["Image"] != images.get(service_of(one), {}).get("ref")
    ]
    if not images:
        other = ["no release serves"]
    by_digest = sum("@sha256:" in one["Config"]["Image"] for one in running)
    figure = f"{by_digest} of {len(running)} by digest"
    yield judged(AREA, "images are those of release.json, by digest", other, figure, DEPLOY)


def status_of(container: dict[str, Any]) -> dict[str, str]:
    """The kernel's status of a container's first process."""
    text = Path(f"/proc/{container['State']['Pid']}/status").read_text(encoding="ascii", errors="replace")
    return dict(line.split(":\t", 1) for line in text.splitlines() if ":\t" in line)


def what_they_may(deployment: Deployment) -> Iterator[Row]:
    """Hardening, as configured and as applied by the kernel."""
    root, writable, capable, gaining = [], [], [], []
    running = [one for one in deployment.containers if one["State"]["Status"] == "running"]
    for one in running:
        name, host = name_of(one), one["HostConfig"]
        allowed = ALLOWED_CAPABILITIES.get(service_of(one), set())
        kernel = status_of(one)
        if kernel["Uid"].split()[0] == "0" or one["Config"]["User"].split(":")[0] in ("", "0", "root"):
            root.append(f"{name} runs as root")
        if not host["ReadonlyRootfs"]:
            writable.append(f"{name} has a writable root")
        added = {cap.removeprefix("CAP_") for cap in host.get("CapAdd") or []}
        effective = int(kernel["CapEff"], 16) & ~(NET_BIND_SERVICE if allowed else 0)
        if (host.get("CapDrop") or []) != ["ALL"] or added - allowed or effective:
            capable.append(f"{name} has CapEff {kernel['CapEff']}, CapAdd {sorted(added)}")
        if kernel.get("NoNewPrivs") != "1":
            gaining.append(f"{name} may gain privileges")
        if host.get("Privileged") or host.get("PidMode") or host.get("NetworkMode") == "host":
            gaining.append(f"{name} shares a namespace with the host")
    all_of = f"{len(running)} of {len(running)}"
    yield judged(AREA, "none runs as root", root, all_of, COMPOSE)
    yield judged(AREA, "root file systems are read-only", writable, all_of, COMPOSE)
    yield judged(AREA, "no capability (edge: NET_BIND_SERVICE)", capable, all_of, COMPOSE)
    yield judged(AREA, "no new privileges, no namespace of the host", gaining, all_of, COMPOSE)


def limits(deployment: Deployment) -> Iterator[Row]:
    """Memory, processors, processes, logs."""
    boundless, unrotated, total = [], [], 0
    running = [one for one in deployment.containers if one["State"]["Status"] == "running"]
    for one in running:
        host = one["HostConfig"]
        total += host["Memory"]
        bounds = {
            "memory": host["Memory"] > 0 and host["MemorySwap"] == host["Memory"],
            "cpu": (host.get("NanoCpus") or 0) > 0 or (host.get("CpuQuota") or 0) > 0,
            "pids": (host.get("PidsLimit") or 0) > 0,
        }
        boundless += [f"{name_of(one)} has no {what} limit" for what, bound in bounds.items() if not bound]
        log = host["LogConfig"]
        if not {"max-size", "max-file"} <= set(log.get("Config") or {}):
            unrotated.append(f"{name_of(one)} logs to {log['Type']} without rotation")
    yield judged(AREA, "memory, cpu and pids are limited", boundless, f"{total // MIB} MiB in all", COMPOSE)
    yield judged(AREA, "logs are rotated", unrotated, f"{len(running)} of {len(running)}", COMPOSE)


def published(deployment: Deployment) -> Iterator[Row]:
    """Which ports of the host lead to containers."""
    others = []
    for one in deployment.containers:
        for inside, bindings in (one["HostConfig"].get("PortBindings") or {}).items():
            ports = {binding["HostPort"] for binding in bindings or []}
            if ports - PUBLISHED:
                others.append(f"{name_of(one)} publishes {sorted(ports)} for {inside}")
    yield judged(AREA, "nothing but 80 and 443 is published", others, "80, 443", COMPOSE)
