"""Checks of the host: what listens, room to work in, clock, and the release on its disk."""

from __future__ import annotations

import json
import shutil
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Store
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import Deployment, Row, judged

AREA = "host"
MIB = 1 << 20
GIB = 1 << 30
LISTENING = "0A"
# SSH is reachable only where the security group or Session Manager lets it be.
OPEN_PORTS = {22, 80, 443}
FULLEST = 0.85
LEAST_MEMORY_MIB = 512
HALF_MADE_SECONDS = 3600


def listening(table: str) -> Iterator[tuple[str, int]]:
    """Address and port of each listening socket of a /proc/net/tcp table."""
    for line in table.splitlines()[1:]:
        fields = line.split()
        if fields[3] != LISTENING:
            continue
        address, port = fields[1].split(":")
        packed = b"".join(
            struct.pack("<I", int(address[at : at + 8], 16)) for at in range(0, len(address), 8)
        )
        family = socket.AF_INET if len(packed) == 4 else socket.AF_INET6
        yield socket.inet_ntop(family, packed), int(port, 16)


def is_local(address: str) -> bool:
    """Whether only this host reaches it."""
    plain = address.removeprefix("::ffff:")
    return plain.startswith("127.") or plain == "::1"


def sockets(deployment: Deployment) -> Iterator[Row]:
    """The host's own listening sockets; containers have their own tables."""
    del deployment
    found = [
        one
        for table in ("tcp", "tcp6")
        for one in listening(Path(f"/proc/net/{table}").read_text(encoding="ascii"))
    ]
    outward = sorted({port for address, port in found if not is_local(address)})
    strange = [f"port {port} is open to the network" for port in outward if port not in OPEN_PORTS]
    hint = "`ss -ltnp` on the host names the program; stop it, or bind it to 127.0.0.1."
    yield judged(AREA, "listens on SSH, 80 and 443 only", strange, ", ".join(map(str, outward)), hint)


def room(deployment: Deployment) -> Iterator[Row]:
    """Free disk space and memory."""
    for name, path, setting in (
        ("data volume", deployment.root, "ragdock_data_volume_gib"),
        ("root volume", Path("/"), "ragdock_root_volume_gib"),
    ):
        usage = shutil.disk_usage(path)
        figure = (
            f"{usage.used / usage.total:.0%} of {usage.total / GIB:.0f} GiB, {usage.free / GIB:.1f} GiB free"
        )
        hint = f"Raise {setting} and run site.yml, or delete what is not needed."
        yield Row(AREA, f"{name} is under {FULLEST:.0%}", usage.used / usage.total < FULLEST, figure, hint)
    memory = {
        line.split(":")[0]: int(line.split()[1]) // 1024
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    }
    free = memory["MemAvailable"]
    figure = f"{free} of {memory['MemTotal']} MiB available"
    hint = "playbooks/status.yml shows who takes it; choose a larger ragdock_instance_type."
    yield Row(
        AREA, f"at least {LEAST_MEMORY_MIB} MiB of memory are left", free >= LEAST_MEMORY_MIB, figure, hint
    )
    limits = sum(one["HostConfig"]["Memory"] for one in deployment.containers) // MIB
    yield Row(
        AREA, "the sum of memory limits fits the host", limits < memory["MemTotal"],
        f"{limits} of {memory['MemTotal']} MiB", "Lower ragdock_memory_limits or choose a larger host.",
    )  # fmt: skip
    mounted = deployment.root.is_mount()
    figure = f"{deployment.root} is {'a volume of its own' if mounted else 'on the root volume'}"
    yield Row(AREA, "data are on their own volume", mounted, figure, "Run playbooks/configure.yml.")


def clock(deployment: Deployment) -> Iterator[Row]:
    """Certificates, backups and sessions need the right time."""
    check = "clock is synchronised"
    _code, inside, _err = deployment.run(["systemd-detect-virt", "--container"])
    if inside.strip() not in ("", "none"):
        # A container has no clock of its own, and its time service does not start.
        yield Row(AREA, check, True, "set by the machine that runs this container")
        return
    _code, out, _err = deployment.run(["timedatectl", "show", "--property=NTPSynchronized", "--value"])
    hint = "`timedatectl timesync-status` on the host; playbooks/configure.yml sets the time servers."
    synchronised = out.strip() == "yes"
    yield Row(AREA, check, synchronised, f"synchronised: {out.strip() or 'unknown'}", hint)


def releases(deployment: Deployment) -> Iterator[Row]:
    """The release that serves, unfinished releases, and the last deployment."""
    store = Store(deployment.root)
    current = store.current()
    named = current is not None
    figure = current.id if current else "no release"
    yield Row(AREA, "`current` names a complete release", named, figure, "Run playbooks/deploy.yml.")
    now = time.time()
    stale = [
        f"{path.name} was left by an interrupted run"
        for path in store.releases.glob("*.tmp")
        if now - path.stat().st_mtime > HALF_MADE_SECONDS
    ]
    figure = f"{len(store.all())} complete releases"
    yield judged(AREA, "no release is half made", stale, figure, "Run playbooks/deploy.yml: it clears them.")
    last = store.history.read_text(encoding="utf-8").splitlines()[-1:] if store.history.is_file() else []
    entry = json.loads(last[0]) if last else {}
    same = named and current is not None and entry.get("release") == current.id
    figure = f"{entry.get('release', 'none')} {entry.get('verb', '')} {entry.get('at', '')}".strip()
    yield Row(AREA, "the last deployment is what serves", same, figure, "Run playbooks/deploy.yml.")
