"""The host's own jobs, seen from outside: their records, their times."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.stack.backup.vault import aws
from tests.stack.endpoint import value
from tests.stack.host import Host

CRON = "/etc/cron.d/ragdock"


def state(host: Host, job: str = "drift") -> dict[str, Any]:
    """Return the record of a job's last run; empty when it never ran."""
    text = host.run("cat", f"/opt/ragdock/state/{job}.json", check=False)
    return dict(json.loads(text)) if text else {}


def host_time(host: Host) -> datetime:
    """Return the time of the host's clock, which its cron uses."""
    return datetime.fromtimestamp(int(host.run("date", "+%s")), UTC)


def namespace() -> str:
    """Return the CloudWatch namespace of the deployment's metrics."""
    return f"Ragdock/{value('name')}"


def told_cloudwatch(job: str, since: datetime) -> tuple[float, float]:
    """Return the minimum and maximum of a job's success metric in CloudWatch since then."""
    statistics = aws("cloudwatch").get_metric_statistics(
        Namespace=namespace(),
        MetricName=f"{job.capitalize()}Succeeded",
        StartTime=since - timedelta(seconds=1),
        EndTime=datetime.now(UTC) + timedelta(minutes=1),
        Period=3600,
        Statistics=["Minimum", "Maximum"],
    )["Datapoints"]
    assert statistics, f"CloudWatch heard nothing of {job}"
    return min(one["Minimum"] for one in statistics), max(one["Maximum"] for one in statistics)


@contextmanager
def kept(host: Host, path: str) -> Iterator[str]:
    """Yield the text of a file on the host that a test changes; restore file and timestamp afterwards."""
    host.run("cp", "--preserve=all", path, f"{path}.kept")
    # cron reads no file with a dot in its name, so the copy fires nothing.
    try:
        yield host.run("cat", path)
    finally:
        host.run("mv", f"{path}.kept", path)


def fired_by_cron(host: Host, job: str, seconds: float) -> dict[str, Any]:
    """Set a job's own line of the crontab a minute ahead, let cron start it, and return its record."""
    due = (host_time(host) + timedelta(seconds=70)).replace(second=0)
    with kept(host, CRON) as text:
        host.run("tee", CRON, given=only_at(text, job, f"{due.minute} {due.hour} * * *"))
        due_text = f"{due:%Y-%m-%dT%H:%M:%SZ}"
        host.wait(
            f"cron fires {job} at {due_text}",
            lambda: str(state(host, job).get("ended", "")) >= due_text,
            seconds,
        )
    ended(host)
    return state(host, job)


def only_at(crontab: str, job: str, when: str) -> str:
    """Return a crontab with one job at another time, otherwise unchanged, and without the other jobs."""
    lines = []
    for line in crontab.splitlines():
        times = re.match(r"(\S+\s+){5}(?=root\s)", line)
        if times is None:
            lines.append(line)
        elif line.split()[-1] == job:
            lines.append(f"{when} {line[times.end() :]}")
    assert any(line.startswith(f"{when} root") for line in lines), f"no line of {job} in:\n{crontab}"
    return "\n".join(lines) + "\n"


def ended(host: Host) -> None:
    """Wait until the job ends: its record is written before its last steps, which block the next job."""
    host.wait("the job ends", lambda: not host.run("pgrep", "-f", "sbin/ragdock-job", check=False), 120)


def history(host: Host, job: str = "drift") -> list[dict[str, Any]]:
    """Return the records of all runs of a job; none while the host is down."""
    text = host.run("cat", f"/opt/ragdock/state/history/{job}.jsonl", check=False)
    return [json.loads(line) for line in text.splitlines()]
