"""Memory of the idle stack by container, the sum of its limits, and the size of its images.

    python -m bench.memory

Needs a deployed sandbox that nobody is using.
"""

from __future__ import annotations

import json

from bench.measuring import Figure, machine, show
from tests.stack.door import value
from tests.stack.host import Host

MIB = 1 << 20
IDLE_MIB = 4096
HOST_MIB = 8192
IMAGE_AIMS = {"landing": 180, "rag-app": 400, "rag-worker": 450}
PSS = "cat /proc/[0-9]*/smaps_rollup 2>/dev/null | awk '/^Pss:/ {s += $2} END {print s}'"


def main() -> None:
    """Measure and show."""
    about = machine()
    host = Host(value("name"))
    containers = host.inspect()
    stats = host.run("docker", "stats", "--no-stream", "--format", "{{json .}}", seconds=60)
    usage = {
        row["Name"]: in_mib(row["MemUsage"].split("/")[0]) for row in map(json.loads, stats.splitlines())
    }
    total = sum(usage.values())
    limits = sum(one["HostConfig"]["Memory"] for one in containers) / MIB
    whole = float(host.shell(PSS)) / 1024
    figures = [
        Figure("idle stack", total, "MiB", IDLE_MIB, f"< {IDLE_MIB} MiB", "as the engine counts it"),
        Figure("whole host, proportional", whole, "MiB", IDLE_MIB, "", "engine, system and stack"),
        Figure("sum of limits", limits, "MiB", HOST_MIB, f"< {HOST_MIB} MiB"),
    ]
    for one in sorted(containers, key=lambda each: -usage[each["Name"].lstrip("/")]):
        service = one["Config"]["Labels"]["com.docker.compose.service"]
        limit = one["HostConfig"]["Memory"] / MIB
        figures.append(
            Figure(f"  {service}", usage[one["Name"].lstrip("/")], "MiB", limit, "", f"limit {limit:.0f} MiB")
        )
    for one in containers:
        service = one["Config"]["Labels"]["com.docker.compose.service"]
        size = float(host.run("docker", "image", "inspect", "--format", "{{.Size}}", one["Image"])) / 1e6
        aim = IMAGE_AIMS.get(service)
        figures.append(Figure(f"image {service}", size, "MB", aim, f"< {aim} MB" if aim else ""))
    show("memory", "The idle stack", figures, about)


def in_mib(text: str) -> float:
    """Docker's own spelling of a size."""
    for unit, factor in (("GiB", 1024.0), ("MiB", 1.0), ("KiB", 1 / 1024), ("B", 1 / MIB)):
        if text.strip().endswith(unit):
            return float(text.strip().removesuffix(unit)) * factor
    raise ValueError(f"not a size: {text!r}")


if __name__ == "__main__":
    main()
