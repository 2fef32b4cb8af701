"""Measure an idle host: processor time and memory of the scheduler, the engine and the services.

    python -m bench.idle [--seconds 120]

Needs a deployed sandbox that no one is using.
"""

from __future__ import annotations

import argparse
import json
import time

from bench.measuring import Figure, machine, show
from tests.stack.endpoint import value
from tests.stack.host import Host

# Group -> [processor seconds, MiB]. Container processes are in control groups of the engine, all others in
# those of systemd.
LOOK = r"""
import json, os, pathlib, re
ticks = os.sysconf("SC_CLK_TCK")
found = {}
for folder in pathlib.Path("/proc").glob("[0-9]*"):
    try:
        name, _, rest = (folder / "stat").read_text().partition("(")[2].rpartition(")")
        groups = (folder / "cgroup").read_text()
        shared = re.search(r"^Pss:\s+(\d+)", (folder / "smaps_rollup").read_text(), re.MULTILINE)
    except (OSError, ValueError):
        continue
    fields = rest.split()
    if not re.search(r"\.(slice|scope)", groups):
        kind = "services"
    elif name == "cron":
        kind = "scheduler (cron)"
    elif name.startswith(("dockerd", "containerd")):
        kind = "engine"
    else:
        kind = "the rest of the system"
    seconds, memory = found.get(kind, (0.0, 0.0))
    # With what its children used: a job that cron fired is cron's.
    used = sum(int(fields[at]) for at in (11, 12, 13, 14)) / ticks
    found[kind] = (seconds + used, memory + (int(shared.group(1)) / 1024 if shared else 0.0))
print(json.dumps(found))
"""


def read_usage(host: Host) -> dict[str, tuple[float, float]]:
    """Return, per group, the processor seconds since its processes started, and the MiB used now."""
    found: dict[str, tuple[float, float]] = json.loads(host.run("python3", "-c", LOOK))
    return found


def main() -> None:
    """Read the usage twice and show the difference."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=120.0, help="how long the host is watched")
    seconds = parser.parse_args().seconds
    about = machine()
    host = Host(value("name"))
    before, began = read_usage(host), time.monotonic()
    time.sleep(seconds)
    after, took = read_usage(host), time.monotonic() - began
    whole = sum(after[kind][0] - before[kind][0] for kind in after) / took * 100
    figures = []
    for kind in sorted(after):
        used = (after[kind][0] - before[kind][0]) / took * 100
        figures.append(Figure(f"{kind}: processor", used, "% of one core", whole, "", "of all that is used"))
        figures.append(Figure(f"{kind}: memory", after[kind][1], "MiB"))
    show("idle", f"The idle host, watched for {took:.0f} s", figures, about)


if __name__ == "__main__":
    main()
