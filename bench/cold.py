"""Measure the time from a bare machine to a healthy stack, split by stage.

    python -m bench.cold --wipe

It wipes the sandbox first, so it does nothing without `--wipe`. If Docker's cache
has the base images, it measures a start from cached images; run
`docker builder prune` before it to measure a start from nothing.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time

from bench.measuring import ROOT, Figure, console, machine, show

STAGE = re.compile(r"^\s+(\d+\.\d) s {2}(\S.*)$")
READY = re.compile(r"Sandbox up in (\d+\.\d) s")
AIM_NOTHING, AIM_CACHED = 20 * 60, 6 * 60


def main() -> None:
    """Measure and show."""
    if "--wipe" not in sys.argv[1:]:
        console.print("cold: not measured; it wipes the sandbox, so say so: python -m bench.cold --wipe")
        return
    about = machine()
    subprocess.run(["make", "wipe"], cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    cached = bool(subprocess.run(
        ["docker", "image", "ls", "--quiet", "opensearchproject/opensearch:2.19.1"],
        capture_output=True, text=True, check=True,
    ).stdout.strip())  # fmt: skip
    began = time.monotonic()
    with subprocess.Popen(
        ["make", "up"], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as up:
        lines = []
        for line in up.stdout or ():
            lines.append(line.rstrip("\n"))
            console.print(line.rstrip("\n"), style="dim", markup=False)
    seconds = time.monotonic() - began
    if up.returncode != 0:
        raise SystemExit(f"make up ended with {up.returncode} after {seconds:.0f} s")
    aim = AIM_CACHED if cached else AIM_NOTHING
    figures = [
        Figure(f"make up, base images {'cached' if cached else 'built'}", seconds, "s", aim, f"< {aim} s")
    ]
    figures += [
        Figure("  sandbox is ready", float(found.group(1)), "s", seconds)
        for found in map(READY.search, lines)
        if found
    ]
    times = lines[max(at for at, line in enumerate(lines) if line.startswith("TIME ***")) :]
    for found in map(STAGE.match, times):
        if found and "in all" not in found.group(2) and "of it" not in found.group(2):
            figures.append(Figure(f"  {found.group(2)}", float(found.group(1)), "s", seconds))
    show(
        f"cold-{'cached' if cached else 'nothing'}", "From a bare machine to a healthy stack", figures, about
    )


if __name__ == "__main__":
    main()
