"""Measure the memory of each container of an idle stack, the sum of the limits, and the image sizes.

    python -m bench.memory

Needs a deployed sandbox that no one is using.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from bench.measuring import Figure, machine, show
from bench.measuring.containers import read_usage
from tests.stack.endpoint import value
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
    used = {name: most for name, (most, _) in read_usage(partial(host.run, seconds=60)).items()}
    total = sum(used.values())
    limits = sum(one["HostConfig"]["Memory"] for one in containers) / MIB
    whole = float(host.shell(PSS)) / 1024
    figures = [
        Figure("idle stack", total, "MiB", IDLE_MIB, f"< {IDLE_MIB} MiB", "as the engine counts it"),
        Figure("whole host, proportional", whole, "MiB", IDLE_MIB, "", "engine, system and stack"),
        Figure("sum of limits", limits, "MiB", HOST_MIB, f"< {HOST_MIB} MiB"),
    ]
    for one in sorted(containers, key=lambda each: -used[named(each)]):
        limit = one["HostConfig"]["Memory"] / MIB
        figures.append(
            Figure(f"  {named(one)}", used[named(one)], "MiB", limit, "", f"limit {limit:.0f} MiB")
        )
    for one in containers:
        size = float(host.run("docker", "image", "inspect", "--format", "{{.Size}}", one["Image"])) / 1e6
        aim = IMAGE_AIMS.get(named(one))
        figures.append(Figure(f"image {named(one)}", size, "MB", aim, f"< {aim} MB" if aim else ""))
    show("memory", "The idle stack", figures, about)


def named(container: dict[str, Any]) -> str:
    """Return the service name of a container."""
    return str(container["Config"]["Labels"]["com.docker.compose.service"])


if __name__ == "__main__":
    main()
