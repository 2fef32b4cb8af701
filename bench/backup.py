"""Measure backups, drills and restores against `stop; tar; start`, and how backups slow down answers.

    python -m bench.backup [passages ...]      default: 1000 10000; 100000 takes an hour

Needs a deployed sandbox, whose own backups are moved aside meanwhile; at the end the index has the same
documents as before.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Self

import httpx

from bench.measuring import Figure, console, machine, show
from tests.stack import papers
from tests.stack.backup.vault import PLAYBOOK
from tests.stack.endpoint import ApiClient, Endpoint, value
from tests.stack.host import Host
from tests.stack.plays import play

SIZES = (1000, 10000)
DAYS = 7
CHANGE = 0.01
ASKS = 24
SEARCH_SECONDS = 0.5
PASSAGES = Path(__file__).parent / "measuring" / "passages.py"
REPOSITORY = "/opt/ragdock/bench-of-backups"
LONG_SECONDS = 3600.0
LOCAL = ("-e", f"ragdock_backup_repository={REPOSITORY}/repository", "-e", "backup_snapshots_kept=1")
MB = 1e6
# The paths that the playbook's backup covers, for the plain tar.
TAR = "data/opensearch data/raw data/ledger data/analytics releases"


class Bench:
    """Measures one deployment."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(value("url").rstrip("/"), value("token"), value("ca"))
        self.host = Host(value("name"))
        self.figures: list[Figure] = []

    def passages(self, *words: str) -> None:
        """Run measuring/passages.py on the host with these arguments."""
        self.host.run("python3", "-", *words, given=PASSAGES.read_text(), seconds=3600)

    def forget_backups(self) -> None:
        """Reset the host to a state in which no backup was ever made."""
        self.host.shell(
            f"rm -rf {REPOSITORY} && mkdir -p {REPOSITORY} && rm -f /opt/ragdock/backup/*.json && "
            "rm -rf /opt/ragdock/backup/cache"
        )

    def back_up(self) -> dict[str, float]:
        """Make a backup; return the figures it recorded and its seconds on the host."""
        return self.ran(PLAYBOOK, "backup")

    def ran(self, playbook: str, job: str) -> dict[str, float]:
        """Run a playbook; return the figures its job recorded and its seconds on the host."""
        play(playbook, *LOCAL, seconds=LONG_SECONDS).good()
        found = json.loads(self.host.run("cat", f"/opt/ragdock/state/{job}.json"))
        return {**found["figures"], "seconds": found["seconds"]}

    def bytes_of(self, path: str) -> float:
        """Return the size of a path on the host, in bytes."""
        return float(self.host.run("du", "-sb", path).split()[0])

    def week(self, size: int) -> None:
        """Back up seven days with one percent of change a day, with the playbook and with tar."""
        self.passages("fill", "0", str(size), "0")
        self.forget_backups()
        with Searches(self.endpoint) as searches:
            first = self.back_up()
        seconds, added = [], []
        changed = max(1, int(size * CHANGE))
        tar_bytes = [self.tar_only()]
        for day in range(1, DAYS):
            self.passages("fill", str(day * changed), str((day + 1) * changed), str(day))
            figures = self.back_up()
            seconds.append(figures["seconds"])
            added.append(figures["bytes_added"])
            tar_bytes.append(self.tar_only())
        stored = self.bytes_of(f"{REPOSITORY}/repository")
        downtime, tar_seconds = self.stop_tar_start()
        of = f"{size} passages: "
        self.figures += [
            Figure(f"{of}first backup", first["seconds"], "s"),
            Figure(
                f"{of}searches without an answer meanwhile",
                searches.failed,
                "",
                aim="0",
                note=f"of {searches.asked}, one every {SEARCH_SECONDS} s",
            ),
            Figure(f"{of}first backup, stored", first["bytes_added"] / MB, "MB"),
            Figure(f"{of}later backups, median", statistics.median(seconds), "s", first["seconds"]),
            Figure(
                f"{of}later backups, stored each",
                statistics.mean(added) / MB,
                "MB",
                first["bytes_added"] / MB,
            ),
            Figure(f"{of}stop; tar; start", tar_seconds, "s", note="gzip -1, beside the data"),
            Figure(f"{of}its downtime", downtime, "s", note="ours: the searches above"),
            Figure(f"{of}seven days, stored", stored / MB, "MB", sum(tar_bytes) / MB, note="ratio to tar's"),
            Figure(f"{of}seven days by tar", sum(tar_bytes) / MB, "MB"),
        ]

    def back(self, size: int) -> None:
        """Verify the newest backup in a throwaway node (drill), then restore it into the live one."""
        drill = self.ran("playbooks/drill.yml", "drill")
        restore = self.ran("playbooks/restore.yml", "restore")
        steps = {name: restore[f"{name}_seconds"] for name in ("fetch", "check", "index", "switch")}
        summary = ", ".join(f"{name} {seconds:.1f}" for name, seconds in steps.items())
        self.figures += [
            Figure(f"{size} passages: drill", drill["seconds"], "s"),
            Figure(f"{size} passages: its RTO", drill["rto_seconds"], "s"),
            Figure(f"{size} passages: restore", restore["seconds"], "s", note=summary),
        ]

    def tar_only(self) -> float:
        """Return the size in bytes of a tar of the same data, taken live, so only its size is meaningful."""
        words = f"cd /opt/ragdock && tar --warning=no-file-changed -cf - {TAR} 2>/dev/null | gzip -1 | wc -c"
        return float(self.host.shell(f"set +e; {words}", seconds=1800).split()[-1])

    def stop_tar_start(self) -> tuple[float, float]:
        """Return the seconds without an answer, and the seconds of `stop; tar; start` itself."""
        compose = "docker compose -p ragdock --project-directory /opt/ragdock/current"
        began = time.monotonic()
        self.host.shell(
            # Start the stack again even if tar fails.
            f"trap '{compose} start' EXIT; {compose} stop; cd /opt/ragdock; "
            f"tar -cf - {TAR} | gzip -1 > {REPOSITORY}/plain.tgz",
            seconds=3600,
        )
        whole = time.monotonic() - began
        api = ApiClient(self.endpoint)
        while not self.answers(api):
            time.sleep(0.5)
        downtime = time.monotonic() - began
        api.http.close()
        self.host.run("rm", f"{REPOSITORY}/plain.tgz")
        return downtime, whole

    @staticmethod
    def answers(api: ApiClient) -> bool:
        """Return whether the API answers a search."""
        try:
            return (
                api.http.post("/api/search", json={"query": "w1", "top_k": 1}).status_code == httpx.codes.OK
            )
        except httpx.HTTPError:
            return False

    @staticmethod
    def asked(api: ApiClient, keyword: str) -> float:
        """Return the seconds of one answer that the model wrote."""
        began = time.monotonic()
        found = api.ask(f"Who built the lighthouse of {keyword}, and in which year?")
        seconds = time.monotonic() - began
        if not found["model"] or found["degraded"]:
            raise SystemExit(f"No answer by a model, so nothing to measure: {found}")
        return seconds

    def askers(self) -> None:
        """Measure the p95 of answers, alternating between no backup and a running backup."""
        api = ApiClient(self.endpoint)
        keyword = papers.word()
        document = api.brought(f"{keyword}.txt", papers.story(keyword).encode())
        calm: list[float] = []
        busy: list[float] = []
        try:
            api.ready(document)
            self.asked(api, keyword)
            for _ in range(2):
                calm += [self.asked(api, keyword) for _ in range(ASKS // 2)]
                busy += self.asked_during_backups(api, keyword)
        finally:
            api.delete(document)
            api.http.close()
        base = p95(calm)
        self.figures += [
            Figure("p95 of answers", base, "s", note=f"{len(calm)} answers"),
            Figure(
                "p95 of answers during backups",
                p95(busy),
                "s",
                base,
                aim="< 1.2 x",
                note=f"{len(busy)} answers",
            ),
        ]

    def asked_during_backups(self, api: ApiClient, keyword: str) -> list[float]:
        """Return the seconds of each answer while one backup after another runs."""
        stop = threading.Event()
        loop = threading.Thread(target=self.keep_backing_up, args=(stop,))
        loop.start()
        try:
            return [self.asked(api, keyword) for _ in range(ASKS // 2)]
        finally:
            stop.set()
            loop.join()

    def keep_backing_up(self, stop: threading.Event) -> None:
        """Run first backups, the heaviest kind, one after another until `stop` is set."""
        while not stop.is_set():
            self.forget_backups()
            self.back_up()


class Searches:
    """Searches at regular intervals while the `with` block runs, and counts failures."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.api = ApiClient(endpoint)
        self.asked = self.failed = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._go_on)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.api.http.close()

    def _go_on(self) -> None:
        while not self._stop.wait(SEARCH_SECONDS):
            self.asked += 1
            self.failed += not Bench.answers(self.api)


def p95(seconds: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(seconds, n=20)[-1]


def main() -> None:
    """Measure and show."""
    about = machine()
    bench = Bench()
    aside = "/opt/ragdock/backup-of-before"
    bench.host.shell(f"[ ! -d /opt/ragdock/backup ] || mv /opt/ragdock/backup {aside}")
    try:
        bench.host.run("mkdir", "-p", "-m", "0700", "/opt/ragdock/backup")
        for size in [int(one) for one in sys.argv[1:]] or SIZES:
            console.print(f"{size} passages")
            bench.week(size)
            bench.back(size)
        bench.askers()
    finally:
        bench.passages("clear")
        bench.host.shell(
            f"rm -rf {REPOSITORY} /opt/ragdock/backup; [ ! -d {aside} ] || mv {aside} /opt/ragdock/backup"
        )
    show("backup", "What backups cost", bench.figures, about)


if __name__ == "__main__":
    main()
