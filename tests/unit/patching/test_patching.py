"""Packages that a patch installs, snapshots it keeps, its message when it stops, and what status shows."""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import jobs as records
from ansible_collections.ragdock.host.plugins.module_utils.verify import jobs as status
from ansible_collections.ragdock.host.plugins.modules import patch_packages as packages
from ansible_collections.ragdock.host.plugins.modules import patch_volumes as volumes

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def newer(name: str, *labels: str) -> Any:
    """A package with a newer version."""
    return packages.Newer(name, "1", "2", frozenset(labels), True)


KNOWN = [
    newer("tzdata", "Debian"),
    newer("openssl", "Debian", "Debian-Security"),
    newer("docker.io", "Debian-Security"),
    newer("containerd", "Debian"),
    newer("runc", "Debian-Security"),
    newer("libc6", "Debian-Security"),
]


@pytest.mark.parametrize(
    ("kind", "scope", "names"),
    [
        ("system", "security", ["libc6", "openssl"]),
        ("system", "all", ["libc6", "openssl", "tzdata"]),
        ("engine", "security", ["docker.io", "runc"]),
        ("engine", "all", ["containerd", "docker.io", "runc"]),
    ],
)
def test_each_step_takes_its_packages_and_no_other(kind: str, scope: str, names: list[str]) -> None:
    """The engine is a separate step, after the system is healthy with its new packages."""
    assert [one.name for one in packages.chosen(KNOWN, kind, scope)] == names


def test_the_host_restarts_for_what_stays_in_memory() -> None:
    """Running programs use a new libc only after a restart; new time zones need none."""
    assert packages.restart_reasons([newer("tzdata")], required=False) == []
    assert packages.restart_reasons([newer("libc6")], required=False) == ["libc6 2"]
    assert packages.restart_reasons([newer("linux-image-cloud-amd64")], required=False)
    assert packages.restart_reasons([], required=True)


def test_the_engine_of_the_hold_is_the_engine_of_the_patch() -> None:
    """unattended-upgrades must leave exactly those packages alone that patch.yml installs."""
    text = (ROOT / "roles/docker_engine/vars/main.yml").read_text()
    held = next(line for line in text.splitlines() if line.startswith("_docker_engine_held:"))
    assert json.loads(held.partition(":")[2]) == list(packages.ENGINE)


def test_snapshots_are_kept_by_count_for_each_volume() -> None:
    """Snapshots of the root disk do not displace those of the data volume."""
    made = [
        {"SnapshotId": f"{volume}{age}", "VolumeId": volume, "StartTime": NOW - timedelta(days=age)}
        for volume in ("root", "data")
        for age in (3, 1, 2)
    ]
    assert sorted(volumes.doomed(made, 2)) == ["data3", "root3"]
    assert volumes.doomed(made, 3) == []


NOTES = {
    "packages": [
        {"name": "openssl", "old": "3.0-1", "new": "3.0-2", "reversible": True},
        {"name": "tzdata", "old": "a", "new": "b", "reversible": False},
    ],
    "snapshots": [
        {"volume": "vol-1", "device": "/dev/xvda", "zone": "us-east-1a", "snapshot": "snap-1"},
        {"volume": "vol-2", "device": "/dev/sdf", "zone": "us-east-1a", "snapshot": "snap-2"},
    ],
    "backup": "20261125T110000Z",
}


def failure(tmp_path: Path, notes: dict[str, Any]) -> str:
    """The message of a patch that stopped, rendered by Ansible itself."""
    known = {
        "__patching_step": "packages", "_patching_steps": ["health", "packages", "verify"],
        "_patching_why": "rag-app is unhealthy", "_patching_known": notes, "ragdock_name": "unit",
        "_patching_back": [one for one in notes["packages"] if one["reversible"]],
        "preflight_aws": {"deployment_id": "0123"}, "aws_host_instance_id": "i-1",
        "aws_host_data_volume_id": "vol-2", "ragdock_root": "/opt/ragdock",
        "ansible_python_interpreter": sys.executable,
    }  # fmt: skip
    template = ROOT / "roles/patching/templates/failure.txt.j2"
    copy = {"src": str(template), "dest": str(tmp_path / "failure"), "mode": "0644"}
    tasks = [{"name": "Render the message", "ansible.builtin.template": copy}]
    play = [{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]
    (tmp_path / "play.yml").write_text(json.dumps(play))
    (tmp_path / "known.json").write_text(json.dumps(known))
    program = Path(sys.executable).with_name("ansible-playbook")
    done = subprocess.run(
        [program, "-i", "localhost,", "-c", "local", "-e", "@known.json", "play.yml"],
        check=False, capture_output=True, text=True, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    return (tmp_path / "failure").read_text()


def test_a_patch_that_stopped_prints_the_exact_ways_back(tmp_path: Path) -> None:
    """At night, nobody should have to look up an id."""
    text = failure(tmp_path, NOTES)
    for line in (
        'stopped at step "packages"',
        "rag-app is unhealthy",
        "apt-get install --yes --allow-downgrades openssl=3.0-1\n",
        "playbooks/restore.yml -e backup=20261125T110000Z\n",
        "aws ec2 stop-instances --instance-ids i-1\n",
        "--snapshot-id snap-2 --availability-zone us-east-1a",
        "aws ec2 attach-volume --volume-id $V --instance-id i-1 --device /dev/sdf\n",
        "aws ec2 start-instances --instance-ids i-1\n",
    ):
        assert line in text
    assert "tzdata=a" not in text


def test_a_patch_that_changed_nothing_says_so(tmp_path: Path) -> None:
    """Nothing has to be undone, so no commands are shown."""
    text = failure(tmp_path, {"packages": [], "snapshots": [], "backup": ""})
    assert "No package was changed." in text
    assert "aws ec2" not in text


def write(root: Path, job: str, *, ok: bool, at: datetime, **figures: Any) -> None:
    """Write the record of a run."""
    when = at.timestamp()
    records.write_record(root, records.Outcome(job, ok, when - 60, when, "" if ok else "no way", figures))


PLAN = {"backup": {"schedule": "17 2 * * *"}, "drill": {"schedule": ""}, "patch": {"schedule": "11 4 * * 2"}}


def test_status_shows_each_job_at_a_glance(tmp_path: Path) -> None:
    """Its last success, what it verified, the result of its last run, and when it is due."""
    write(
        tmp_path,
        "backup",
        ok=True,
        at=NOW - timedelta(days=2),
        documents=7,
        files=2,
        bytes=9,
        bytes_added=1 << 20,
    )
    write(tmp_path, "backup", ok=False, at=NOW - timedelta(hours=9))
    write(
        tmp_path, "drill", ok=True, at=NOW - timedelta(hours=3), backup="20261125T000000Z", rto_seconds=14.2
    )
    rows = {row[0]: row[1:] for row in status.job_rows(tmp_path, PLAN, NOW - timedelta(days=30), NOW)}
    assert rows == {
        "backup": [
            "2 days ago OVERDUE", "7 passages and 2 files kept, 1.0 MiB new",
            "FAILED: no way", "Thu 26 Nov 02:17 UTC",
        ],
        "drill": [
            "3 hours ago", "20261125T000000Z restored and equal in 14 seconds",
            "good, 3 hours ago", "not scheduled",
        ],
        "patch": ["never OVERDUE", "-", "never", "Tue 01 Dec 04:11 UTC"],
    }  # fmt: skip


@pytest.mark.parametrize("figure", ["passed", "held"])
def test_status_reads_the_passed_checks_of_new_and_old_records(tmp_path: Path, figure: str) -> None:
    """A record from before 0.2.0 names them `held`; it stays on the host until the next daily check."""
    write(tmp_path, "drift", ok=True, at=NOW, **{figure: 57, "broken": 0, "certificate_days": 80})
    (row,) = status.job_rows(tmp_path, {}, NOW, NOW)
    assert row[2] == "57 checks passed"


def test_drills_are_a_picture(tmp_path: Path) -> None:
    """Restores that take ever longer, or fail, are noticed before one is needed."""
    assert "none yet" in status.picture([])
    for day, seconds in enumerate((10, 20, 0, 40)):
        write(tmp_path, "drill", ok=bool(seconds), at=NOW + timedelta(days=day), rto_seconds=seconds)
    text = status.picture(records.read_history(tmp_path, "drill"))
    assert "▃▅✗█" in text
    assert "3 of 4 verified their backup, restored in 10 to 40 s (2026-11-25 to 2026-11-28)" in text
    assert text in (ROOT / "docs" / "operate" / "schedule.md").read_text(), "the docs show another picture"


@pytest.mark.parametrize(
    ("newest", "drilled", "expected"),
    [
        ("", "", "everything, for there is no backup"),
        ("20260310T020000Z", "", "the last 10 hours; no drill has verified a backup yet"),
        ("20260310T020000Z", "20260310T020000Z", "the last 10 hours; a drill has verified that backup"),
        ("20260310T020000Z", "20260308T120000Z", "the newest backup that a drill verified is 2 days old"),
    ],
)
def test_status_shows_what_a_loss_would_cost_now(newest: str, drilled: str, expected: str) -> None:
    """The recovery point in words, from the time in a backup's id."""
    now = datetime(2026, 3, 10, 12, 0, tzinfo=UTC)
    assert expected in status.loss(newest, drilled, now)
