"""Time a run that changes nothing, against the minimum: one ping over SSH and one idle `compose up`.

    python -m bench.noop

Needs a deployed sandbox that is up to date.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys

from bench.measuring import Figure, machine, show, timed
from sandbox import settings
from sandbox.cloud import AwsApi
from tests.stack.endpoint import CHECKOUT, value
from tests.stack.host import Host
from tests.stack.plays import play

AIM_SECONDS = 15
STAGE = re.compile(r"^\s+(\d+\.\d) s {2}(\S.*)$", re.MULTILINE)
TASKS = re.compile(r"in all, (\d+) tasks")
COMPOSE = "cd /opt/ragdock/current && docker compose -p ragdock up --detach --wait --no-recreate"


def ping(name: str) -> None:
    """Run one module on the host over the playbooks' connection: the minimum that Ansible needs."""
    sandbox = settings.load()
    aws = f"{CHECKOUT}/sandbox/session/aws ssm start-session --region {sandbox.region}"
    target = "--target %h --document-name AWS-StartSSHSession --parameters portNumber=%p"
    proxy = (
        f"env PATH={CHECKOUT}/sandbox/session:{os.environ['PATH']} {aws} --endpoint-url {sandbox.endpoint}"
    )
    connection = [
        *("-i", f"{instance(name)},", "-u", "admin"),
        *("--private-key", str(CHECKOUT / ".ragdock" / name / "ssh_key")),
        "--ssh-common-args=-o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null "
        f"-o ProxyCommand='{proxy} {target}'",
        *("-e", "ansible_python_interpreter=/usr/bin/python3"),
    ]
    ask = [sys.executable, "-m", "ansible", "adhoc", *connection, "all", "-m", "ansible.builtin.ping"]
    subprocess.run(ask, cwd=CHECKOUT, check=True, capture_output=True)


def instance(name: str) -> str:
    """Return the instance id of the host."""
    live = AwsApi(settings.load()).observe().live
    mine = [one for one in live if one.tags.get("ragdock:name") == name]
    return next(one.id for one in mine if "ragdock:host" not in one.tags)


def main() -> None:
    """Measure and show."""
    about = machine()
    name = value("name")
    host = Host(name)
    run = play("site.yml").good()
    again = play("site.yml").good()
    quicker = min((run, again), key=lambda one: one.seconds)
    floor_ping = timed(lambda: ping(name), 3)
    floor_compose = timed(lambda: host.shell(COMPOSE), 3)
    floor = floor_ping + floor_compose
    counted = TASKS.search(quicker.output)
    tasks = int(counted.group(1)) if counted else 0
    figures = [
        Figure(
            "site.yml, nothing to change",
            quicker.seconds,
            "s",
            floor,
            f"< {AIM_SECONDS} s",
            f"changed={quicker.changed}",
        ),
        Figure("tasks", tasks, ""),
        Figure("a task", quicker.seconds / max(tasks, 1), "s"),
        Figure("floor: ansible ping", floor_ping, "s", floor),
        Figure("floor: idle compose up", floor_compose, "s", floor),
    ]
    stages = STAGE.findall(quicker.output.partition("TIME ***")[2])
    figures += [
        Figure(f"stage {stage}", float(took), "s", floor) for took, stage in stages if "in all" not in stage
    ]
    show("noop", "A second site.yml", figures, about)


if __name__ == "__main__":
    main()
