"""The record of a job run: written completely, limited in number, and reported to CloudWatch."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest

from ansible_collections.ragdock.host.plugins.module_utils import jobs
from tests.local_aws import local_aws

BEGAN = 1_790_000_000.0


def outcome(*, ok: bool = True, at: float = BEGAN, **more: Any) -> Any:
    """The outcome of a run of 60 seconds."""
    return jobs.Outcome("backup", ok, at, at + 60, **more)


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    """The address of a CloudWatch on a free port."""
    with local_aws() as address:
        yield address


def test_a_run_is_written_with_all_that_others_read(tmp_path: Path) -> None:
    """status.yml, the alarms and the catch-up after boot rely on these keys."""
    (tmp_path / "releases" / "20260101T000000-0123abcd").mkdir(parents=True)
    (tmp_path / "current").symlink_to("releases/20260101T000000-0123abcd")
    jobs.write_record(tmp_path, outcome(figures={"bytes_added": 7}))
    assert json.loads((tmp_path / "state" / "backup.json").read_text()) == {
        "job": "backup",
        "ok": True,
        "started": "2026-09-21T14:13:20Z",
        "ended": "2026-09-21T14:14:20Z",
        "seconds": 60.0,
        "reason": "",
        "figures": {"bytes_added": 7},
        "last_success": "2026-09-21T14:14:20Z",
        "release": "20260101T000000-0123abcd",
    }


def test_a_failure_does_not_forget_the_last_success(tmp_path: Path) -> None:
    """After a failed night, the age of the newest good backup must still be known."""
    good = jobs.write_record(tmp_path, outcome())
    bad = jobs.write_record(tmp_path, outcome(ok=False, at=BEGAN + 86400, reason="no bucket"))
    assert bad["last_success"] == good["ended"]
    assert [entry["ok"] for entry in jobs.read_history(tmp_path, "backup")] == [True, False]


def test_history_keeps_its_count_and_the_newest(tmp_path: Path) -> None:
    """A long-lived host must not fill its disk with its history."""
    for number in range(7):
        jobs.write_record(tmp_path, outcome(at=BEGAN + number), keep=3)
    kept = [jobs.epoch(entry["started"]) - BEGAN for entry in jobs.read_history(tmp_path, "backup")]
    assert kept == [4, 5, 6]


def test_two_at_once_lose_no_line(tmp_path: Path) -> None:
    """An operator's backup and a scheduled drill may end in the same second."""

    def write() -> None:
        for _ in range(20):
            jobs.write_record(tmp_path, outcome(), keep=1000)

    threads = [threading.Thread(target=write) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(jobs.read_history(tmp_path, "backup")) == 80


def test_a_line_cut_off_by_a_power_cut_hides_no_other(tmp_path: Path) -> None:
    """The next line is still read."""
    jobs.write_record(tmp_path, outcome())
    with (tmp_path / "state" / "history" / "backup.jsonl").open("a") as out:
        out.write('{"job": "back\n')
    jobs.write_record(tmp_path, outcome())
    assert len(jobs.read_history(tmp_path, "backup")) == 2


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_broken_state_file_counts_as_none(tmp_path: Path, text: str) -> None:
    """The next run replaces it."""
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "backup.json").write_text(text)
    assert jobs.read_state(tmp_path, "backup") == {}
    assert jobs.write_record(tmp_path, outcome(ok=False))["last_success"] is None


def test_numbers_become_metrics_and_nothing_else_does(tmp_path: Path) -> None:
    """A boolean, a list or a name is not a measurement."""
    figures = {"bytes_added": 5, "rto_seconds": 1.5, "proven": True, "names": ["a"], "id": "x"}
    entry = jobs.write_record(tmp_path, outcome(figures=figures))
    message = {one["MetricName"]: one["Value"] for one in jobs.metrics_of(entry)}
    assert message == {
        "BackupSucceeded": 1.0,
        "BackupSeconds": 60.0,
        "BackupBytesAdded": 5.0,
        "BackupRtoSeconds": 1.5,
    }


def test_metrics_are_sent_to_cloudwatch(tmp_path: Path, aws: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The alarms use this metric."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    entry = jobs.write_record(tmp_path, outcome(ok=False))
    assert jobs.put_metrics(entry, "Ragdock/demo", "us-east-1", aws) == ""
    listed = boto3.client("cloudwatch", endpoint_url=aws, region_name="us-east-1").list_metrics()
    assert ("Ragdock/demo", "BackupSucceeded") in {
        (one["Namespace"], one["MetricName"]) for one in listed["Metrics"]
    }


def test_a_metric_that_cannot_be_put_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If AWS does not answer, the backup itself has still succeeded."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    entry = jobs.write_record(tmp_path, outcome())
    assert "127.0.0.1:9" in jobs.put_metrics(entry, "Ragdock/demo", "us-east-1", "http://127.0.0.1:9")
