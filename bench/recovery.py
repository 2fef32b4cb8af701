"""How long a drill and a restore take, by number of passages.

    python -m bench.recovery

Brings documents until the index holds so many passages, backs up, drills, restores, and reads the figures
that the playbooks leave on the host. RECOVERY_CHUNKS names the sizes (1000,10000). The documents stay.
"""

from __future__ import annotations

import json
import os
import secrets

from bench.measuring import Figure, machine, show
from tests.stack.backup.vault import back_up
from tests.stack.door import Api, Door, value
from tests.stack.host import Host
from tests.stack.plays import play

SIZES = [int(one) for one in os.environ.get("RECOVERY_CHUNKS", "1000,10000").split(",")]
SECTIONS = 200
LONG_SECONDS = 3600.0


def manual() -> bytes:
    """A text of many sections, each about one passage, unlike any other text."""
    parts = []
    for number in range(SECTIONS):
        words = " ".join(secrets.token_hex(2) for _ in range(6))
        sentence = f"Part {number} tells how {words} are kept in good order by those who know them. "
        parts.append(f"## Part {number}\n\n{sentence * 8}\n")
    return "\n".join(parts).encode()


def passages(api: Api) -> int:
    """Passages of all documents."""
    listed = api.http.get("/api/documents", params={"limit": 1000}).json()["documents"]
    return sum(int(one["chunks"] or 0) for one in listed)


def measured(host: Host, job: str) -> dict[str, float]:
    """The figures of the last run of a job."""
    found: dict[str, float] = json.loads(host.run("cat", f"/opt/ragdock/state/{job}.json"))["figures"]
    return found


def main() -> None:
    """Measure and show."""
    about = machine()
    api, host = Api(Door(value("url").rstrip("/"), value("token"), value("ca"))), Host(value("name"))
    figures: list[Figure] = []
    for size in SIZES:
        while passages(api) < size:
            api.ready(api.brought(f"manual-{secrets.token_hex(4)}.md", manual()), LONG_SECONDS)
        held = passages(api)
        back_up().good()
        drilled = play("playbooks/drill.yml", seconds=LONG_SECONDS).good()
        drill = measured(host, "drill")
        restored = play("playbooks/restore.yml", seconds=LONG_SECONDS).good()
        restore = measured(host, "restore")
        steps = {name: restore[f"{name}_seconds"] for name in ("fetch", "check", "index", "switch")}
        figures += [
            Figure(
                f"drill of {held} passages: RTO", drill["rto_seconds"], "s", note=f"{drill['bytes']} bytes"
            ),
            Figure(f"restore of {held} passages", sum(steps.values()), "s", note=str(steps)),
            Figure(f"the playbooks around them ({held})", drilled.seconds + restored.seconds, "s"),
        ]
    api.http.close()
    show("recovery", "Drill and restore by number of passages", figures, about)


if __name__ == "__main__":
    main()
