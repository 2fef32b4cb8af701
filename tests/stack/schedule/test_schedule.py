"""The schedule on a real host: cron starts jobs, locks delay them, drift is found, a reboot loses nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest

from tests.stack import papers
from tests.stack.backup.vault import aws
from tests.stack.endpoint import value
from tests.stack.host import Host
from tests.stack.schedule.jobs import (
    ended,
    fired_by_cron,
    history,
    host_time,
    kept,
    namespace,
    state,
    told_cloudwatch,
)
from tests.stack.soak import fault, long

SETTINGS = "/etc/ragdock/schedule.json"
# Puts or removes the deployment's lock from the host, with the host's own rights.
LOCK = """
import boto3, json, sys
s = json.load(open("/etc/ragdock/schedule.json"))
c = boto3.client("ssm", region_name=s["region"], endpoint_url=s["endpoint_url"] or None)
if sys.argv[1] == "put": c.put_parameter(Name=s["lock"], Value=sys.argv[2], Type="String", Overwrite=True)
else: c.delete_parameter(Name=s["lock"])
"""


# Paths that exist only while a job does its work.
AT_WORK = {"drift": "/opt/ragdock/state/running", "backup": "/opt/ragdock/backup/work"}


@contextmanager
def no_wait(host: Host) -> Iterator[None]:
    """Jobs do not wait for locks."""
    with kept(host, SETTINGS) as text:
        host.run("tee", SETTINGS, given=json.dumps(json.loads(text) | {"wait_minutes": 0}))
        yield


@contextmanager
def held(host: Host, **holder: Any) -> Iterator[None]:
    """Hold the deployment's lock as someone else."""
    host.run("python3", "-c", LOCK, "put", json.dumps(holder))
    try:
        yield
    finally:
        host.run("python3", "-c", LOCK, "drop", check=False)


EACH = long("waits a minute or two for each job")


@pytest.mark.parametrize(
    ("job", "verified"),
    [
        pytest.param("drift", lambda found: found["passed"] > 40),
        pytest.param("backup", lambda found: found["files"] > 0, marks=EACH),
        pytest.param("drill", lambda found: found["rto_seconds"] > 0, marks=EACH),
        pytest.param("prune", lambda found: found["kept"] >= 1, marks=EACH),
    ],
)
def test_cron_itself_fires_a_job(host: Host, job: str, verified: Callable[[dict[str, Any]], bool]) -> None:
    """Crontab, runner, Debian's ansible-core, instance role: all of it, unattended."""
    found = fired_by_cron(host, job, 600)
    assert found["ok"], found["reason"]
    assert verified(found["figures"]), found["figures"]
    assert f"{job} ended with code 0" in host.run("tail", "-n", "3", f"/var/log/ragdock/{job}.log")


def test_a_job_gives_way_to_a_deploy_and_says_to_whom(host: Host) -> None:
    """The host cannot see whether a run on another machine is alive: the job waits for it, then names it."""
    who = {
        "who": "somebody",
        "machine": "elsewhere",
        "pid": 1,
        "started": 1.0,
        "verb": "deploy",
        "since": "now",
    }
    with no_wait(host), held(host, **who):
        host.run("ragdock-job", "drift", check=False, seconds=600)
    found = state(host)
    assert not found["ok"]
    assert "before it recorded its result" in found["reason"]
    log = " ".join(host.run("tail", "-n", "60", "/var/log/ragdock/drift.log").split())
    assert "'deploy' of somebody on elsewhere" in log


def test_a_lock_that_a_dead_run_of_the_host_left_is_no_obstacle(host: Host) -> None:
    """As after a power cut in the middle of a job."""
    machine = host.run("hostname").strip()
    dead = {
        "who": "root",
        "machine": machine,
        "pid": 999999,
        "started": 1.0,
        "verb": "backup",
        "since": "then",
    }
    with no_wait(host), held(host, **dead):
        host.run("ragdock-job", "drift", seconds=600)
    assert state(host)["ok"]


def test_drift_is_found_and_named(host: Host) -> None:
    """A file that someone edited on the host stays in use until the next deploy; drift must report it."""
    path, began = "/opt/ragdock/config/edge/Caddyfile", host_time(host)
    with kept(host, path) as text:
        host.run("tee", path, given=f"{text}# by hand\n")
        host.run("ragdock-job", "drift", check=False, seconds=600)
        found = state(host)
    assert not found["ok"]
    assert "services read the release's configuration" in found["reason"]
    assert f"{path} differs" in found["reason"]
    host.run("ragdock-job", "drift", seconds=600)
    assert state(host)["ok"]
    assert told_cloudwatch("drift", began) == (0, 1), "a failure and a success"


def test_an_alarm_watches_what_each_job_sends_to_cloudwatch(host: Host) -> None:
    """An alarm on a metric that no job sends would never fire, or always."""
    alarms = aws("cloudwatch").describe_alarms(AlarmNamePrefix=f"ragdock-{value('name')}-")["MetricAlarms"]
    watched = {one["MetricName"]: one for one in alarms if one["Namespace"] == namespace()}
    jobs = json.loads(host.run("cat", SETTINGS))["jobs"]
    assert (
        {"BackupSucceeded", "DriftSucceeded"}
        <= set(watched)
        <= {f"{job.capitalize()}Succeeded" for job in jobs}
    )
    for one in watched.values():
        assert (one["ComparisonOperator"], one["Threshold"]) == ("LessThanThreshold", 1.0)
        assert one["ActionsEnabled"]
        assert [arn.split(":")[2] for arn in one["AlarmActions"]] == ["sns"]


def test_no_secret_is_in_logs_states_or_settings(host: Host) -> None:
    """The logs, states and settings of the host's jobs can be shown to anyone."""
    script = """
    cd /opt/ragdock/secrets
    for file in rag-app/app_password rag-app/api_token rag-app/session_key opensearch/os_netrc; do
      # By a pipe: every user may read the words of a process.
      tr -d '\\n' <$file | awk '{print $NF}' | grep -rlF -f - \\
        /var/log/ragdock /etc/ragdock /etc/cron.d /opt/ragdock/state /opt/ragdock/deployer && exit 1
    done
    echo none
    """
    assert host.shell(script).strip() == "none"


@fault
@long("restarts the host")
@pytest.mark.parametrize("job", ["drift", "backup"])
def test_a_job_cut_short_by_a_reboot_runs_again_after_it(host: Host, job: str) -> None:
    """The record says that it was cut short. A backup is cut while it is made; the next one is complete."""
    before = len(history(host, job))
    host.run("systemd-run", f"--unit=ragdock-test-{papers.word()}", "ragdock-job", job)
    host.shell(f'for i in $(seq 600); do [ -n "$(ls {AT_WORK[job]})" ] && break; sleep 0.1; done')
    host.run("systemctl", "reboot", check=False)
    time.sleep(10)
    host.wait("both runs are on record", lambda: len(history(host, job)) >= before + 2, 300)
    ended(host)
    cut, again = history(host, job)[before : before + 2]
    assert cut["reason"].startswith("The host went down")
    assert again["ok"], again["reason"]


@fault
@long("restarts the host")
def test_a_job_due_while_the_host_was_down_runs_after_boot(host: Host) -> None:
    """The last drift check is dated before the time it was due, and the schedule's file before that."""
    with kept(host, SETTINGS) as text:
        settings = json.loads(text)
        for job, one in settings["jobs"].items():
            one["schedule"] = "0 0 * * *" if job == "drift" else ""
        host.run("tee", SETTINGS, given=json.dumps(settings))
        host.run("touch", "-d", "3 days ago", SETTINGS)
        before = host_time(host)
        began = f"{before - timedelta(days=2):%Y-%m-%dT%H:%M:%SZ}"
        host.run("sed", "-i", f's/"started": ".*"/"started": "{began}"/', "/opt/ragdock/state/drift.json")
        host.run("systemctl", "reboot", check=False)
        time.sleep(10)
        due = f"{before:%Y-%m-%dT%H:%M:%SZ}"
        host.wait("the look that was missed", lambda: str(state(host).get("started", "")) > due, 900)
    assert state(host)["ok"]
