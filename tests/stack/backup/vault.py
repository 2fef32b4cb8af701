"""The backup repository and its files on the host, as seen by someone who has the passwords."""

from __future__ import annotations

import json
import os
import re
import shlex
import time
from collections.abc import Callable
from typing import Any

import boto3

from sandbox import settings
from tests.stack.endpoint import CHECKOUT
from tests.stack.host import Host
from tests.stack.plays import Outcome, Run, play

PLAYBOOK = "playbooks/backup.yml"
WORK = "/opt/ragdock/backup/work"
STANDS = "The service answers as before"
MEMORY = "/opt/ragdock/backup/memory.json"
# A backup's processes on the host: its steps (Ansible gives them to Python's standard input), and restic.
OURS = re.compile(r"BECOME-SUCCESS|^/usr/bin/python3$|^restic ")
Json = dict[str, Any]
UNPROVEN = "state:unproven"


def aws(service: str) -> Any:
    """Return a client of the sandbox's AWS that may do everything."""
    at = settings.load()
    return boto3.client(service, endpoint_url=at.endpoint, region_name=at.region, **at.credentials)  # type: ignore[call-overload]


class Vault:
    """The repository behind one host."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def location(self) -> str:
        """Return the repository's name for restic, as recorded by the host's last backup."""
        return str(json.loads(self.host.run("cat", MEMORY))["location"])

    def secret(self, name: str) -> str:
        """Return a secret of the deployment: RAGDOCK_<NAME> if it is set, else the sandbox's parameter."""
        given = os.environ.get(f"RAGDOCK_{name.upper()}")
        if given:
            return given
        found = aws("ssm").get_parameter(Name=f"/ragdock/{self.name}/{name}", WithDecryption=True)
        return str(found["Parameter"]["Value"])

    def restic(self, *words: str, check: bool = True, password: str = "") -> str:
        """Run restic on the host; the password, by default the current one, is passed on standard input."""
        script = (
            f"export RESTIC_PASSWORD={shlex.quote(password or self.secret('restic_password'))}\n"
            f"export RESTIC_REPOSITORY={shlex.quote(self.location)} AWS_DEFAULT_REGION=us-east-1 HOME=/root\n"
            f"restic {shlex.join(words)} </dev/null" + ("" if check else " || :")
        )
        return self.host.shell(script, seconds=300)

    def snapshots(self) -> list[Json]:
        """Return the snapshots of our backups that were compared with their source, oldest first."""
        return [one for one in self.uploads() if UNPROVEN not in one["tags"]]

    def uploads(self) -> list[Json]:
        """Return the snapshots of our backups, whether they were compared with their source or not."""
        listed = json.loads(self.restic("snapshots", "--json", "--no-lock"))
        return [one for one in listed if any(tag.startswith("backup:") for tag in one["tags"])]

    def ids(self) -> list[str]:
        """Return the ids of the backups, oldest first."""
        return [tag.split(":")[1] for one in self.snapshots() for tag in one["tags"] if tag[:7] == "backup:"]

    def manifest(self, snapshot: str = "latest") -> Json:
        """Return the manifest of a backup."""
        text = self.restic("dump", "--no-lock", snapshot, f"{WORK}/manifest.json")
        found: Json = json.loads(text)
        return found

    def ask(self, path: str, method: str = "GET") -> Json:
        """Send a request to OpenSearch as the backup user."""
        password = self.secret("opensearch_backup_password")
        script = f"""
address=$(docker inspect --format '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' \\
  $(docker ps -q --filter label=com.docker.compose.service=opensearch))
printf 'user = "ragdock_backup:{password}"\\n' | curl --silent --show-error --config - --request {method} \\
  --cacert /opt/ragdock/secrets/opensearch/ca.pem --resolve opensearch:9200:$address 'https://opensearch:9200{path}'
"""
        found: Json = json.loads(self.host.shell(script))
        return found

    def node_snapshots(self) -> dict[str, str]:
        """Map each snapshot in OpenSearch's own repository to its state."""
        listed = self.ask("/_snapshot/ragdock/_all").get("snapshots", [])
        return {one["snapshot"]: one["state"] for one in listed}

    def record(self) -> Json:
        """Return the record of the last backup."""
        found: Json = json.loads(self.host.run("cat", "/opt/ragdock/state/backup.json"))
        return found

    def memory(self) -> Json:
        """Return what the last backup stored for the next one."""
        found: Json = json.loads(self.host.run("cat", MEMORY))
        return found

    def processes(self) -> list[int]:
        """Return the ids of a backup's processes on the host."""
        listed = self.host.run("ps", "-eo", "pid=,args=", "--no-headers").splitlines()
        return [int(one.split()[0]) for one in listed if OURS.search(one.split(maxsplit=1)[1])]

    def kill(self) -> int:
        """Kill a backup's processes on the host, as a power cut would, and return how many there were."""
        found = self.processes()
        if found:
            self.host.run("kill", "-KILL", *map(str, found), check=False)
        return len(found)


def back_up(*arguments: str) -> Outcome:
    """Make a backup, as an operator does."""
    return play(PLAYBOOK, *arguments)


def begun(*arguments: str) -> Run:
    """Start a backup, and return while it is running."""
    return Run(CHECKOUT, PLAYBOOK, *arguments)


def wait_for(what: str, good: Callable[[], bool], seconds: float = 120, pause: float = 0.3) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end, f"{what}: not after {seconds:.0f} s"
        time.sleep(pause)
