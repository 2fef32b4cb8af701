"""Records how a job ended: its state file, its history and its metrics.

state/<job>.json is the last run, replaced by rename; state/history/<job>.jsonl
has a line for each run, oldest first. The runner of the schedule also
reads and writes them with this module.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

JOBS = ("backup", "drill", "patch", "prune", "renew", "keys", "drift", "restore", "rotate")
LONGEST_REASON = 4000
LINES_KEPT = 400


@dataclass(frozen=True)
class Outcome:
    """One run of one job."""

    job: str
    ok: bool
    started: float
    ended: float
    reason: str = ""
    figures: Mapping[str, Any] = field(default_factory=dict)


def iso(moment: float) -> str:
    """Seconds since the epoch as UTC to the second."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def epoch(text: str) -> float:
    """The reverse of iso."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC).timestamp()


def read_state(root: Path, job: str) -> dict[str, Any]:
    """The last run of a job; empty when there is none, or when the file is not a record."""
    try:
        found = json.loads((root / "state" / f"{job}.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def read_history(root: Path, job: str) -> list[dict[str, Any]]:
    """Every run on record, oldest first; a line that a power cut left unfinished is skipped."""
    path = root / "state" / "history" / f"{job}.jsonl"
    entries = []
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else []:
        try:
            entries.append(json.loads(line))
        except ValueError:
            continue
    return [entry for entry in entries if isinstance(entry, dict)]


def entry_of(root: Path, outcome: Outcome) -> dict[str, Any]:
    """A run in the form of a record."""
    current = root / "current"
    before = read_state(root, outcome.job).get("last_success")
    return {
        "job": outcome.job,
        "ok": outcome.ok,
        "started": iso(outcome.started),
        "ended": iso(outcome.ended),
        "seconds": round(max(0.0, outcome.ended - outcome.started), 1),
        "reason": outcome.reason[:LONGEST_REASON],
        "figures": dict(outcome.figures),
        "last_success": iso(outcome.ended) if outcome.ok else before,
        "release": current.readlink().name if current.is_symlink() else "",
    }


def replace(path: Path, text: str) -> None:
    """Give a file its new content by rename, so that no reader sees half of it."""
    beside = path.with_name(f".{path.name}.new")
    with beside.open("w", encoding="utf-8") as out:
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.chmod(0o644)
    beside.replace(path)


def write_record(root: Path, outcome: Outcome, keep: int = LINES_KEPT) -> dict[str, Any]:
    """Record a run; remove the oldest lines of the job's history beyond KEEP."""
    history = root / "state" / "history" / f"{outcome.job}.jsonl"
    history.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    # A separate lock, since the history is replaced by rename.
    with (history.parent / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        entry = entry_of(root, outcome)
        with history.open("a", encoding="utf-8") as out:
            out.write(json.dumps(entry, sort_keys=True) + "\n")
            out.flush()
            os.fsync(out.fileno())
        lines = history.read_text(encoding="utf-8").splitlines(keepends=True)
        if len(lines) > keep:
            replace(history, "".join(lines[-keep:]))
        replace(root / "state" / f"{outcome.job}.json", json.dumps(entry, indent=2, sort_keys=True) + "\n")
    return entry


def metric_name(*words: str) -> str:
    """backup, bytes_added -> BackupBytesAdded."""
    return "".join(part[:1].upper() + part[1:] for word in words for part in word.split("_"))


def metrics_of(entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The metrics for CloudWatch: success as 1 or 0, the seconds, and each figure that is a number."""
    job = str(entry["job"])
    values: dict[str, float] = {"succeeded": float(bool(entry["ok"])), "seconds": float(entry["seconds"])}
    for name, value in entry["figures"].items():
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            values.setdefault(str(name), float(value))
    moment = datetime.fromtimestamp(epoch(entry["ended"]), UTC)
    return [
        {"MetricName": metric_name(job, name), "Value": value, "Timestamp": moment}
        for name, value in values.items()
    ]


def put_metrics(entry: Mapping[str, Any], namespace: str, region: str, endpoint_url: str = "") -> str:
    """Send the metrics to CloudWatch; return the error or an empty string. An error does not fail the job."""
    # Imported here, since the state file must be written even where boto3 is broken.
    try:
        import boto3
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as error:
        return f"{error}. Install python3-boto3 on the host (playbooks/configure.yml does)."
    quick = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 3, "mode": "standard"})
    try:
        session = boto3.session.Session(region_name=region)
        cloudwatch = session.client("cloudwatch", endpoint_url=endpoint_url or None, config=quick)
        cloudwatch.put_metric_data(Namespace=namespace, MetricData=metrics_of(entry))
    except (BotoCoreError, ClientError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
