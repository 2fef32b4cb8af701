"""The repository of backups and the host's side of it, as someone who holds the passwords sees them."""

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
    """A client of the sandbox's AWS, with every right."""
    at = settings.load()
    return boto3.client(service, endpoint_url=at.endpoint, region_name=at.region, **at.credentials)  # type: ignore[call-overload]


class Vault:
    """The repository behind one host."""

    def __init__(self, host: Host, name: str) -> None:
        self.host = host
        self.name = name

    @property
    def location(self) -> str:
        """restic's name of the repository, as the last backup of this host left it."""
        return str(json.loads(self.host.run("cat", MEMORY))["location"])

    def secret(self, name: str) -> str:
        """A secret of the deployment: RAGDOCK_<NAME>, else asked of the sandbox."""
        given = os.environ.get(f"RAGDOCK_{name.upper()}")
        if given:
            return given
        found = aws("ssm").get_parameter(Name=f"/ragdock/{self.name}/{name}", WithDecryption=True)
        return str(found["Parameter"]["Value"])

    def restic(self, *words: str, check: bool = True, password: str = "") -> str:
        """Run restic on the host; the present password, or another, travels on its standard input."""
        script = (
            f"export RESTIC_PASSWORD={shlex.quote(password or self.secret('restic_password'))}\n"
            f"export RESTIC_REPOSITORY={shlex.quote(self.location)} AWS_DEFAULT_REGION=us-east-1 HOME=/root\n"
            f"restic {shlex.join(words)} </dev/null" + ("" if check else " || :")
        )
        return self.host.shell(script, seconds=300)

    def snapshots(self) -> list[Json]:
        """What restic lists of ours and what counts, oldest first."""
        return [one for one in self.uploads() if UNPROVEN not in one["tags"]]

    def uploads(self) -> list[Json]:
        """What restic lists of ours, compared with its source or not."""
        listed = json.loads(self.restic("snapshots", "--json", "--no-lock"))
        return [one for one in listed if any(tag.startswith("backup:") for tag in one["tags"])]

    def ids(self) -> list[str]:
        """Ids of the backups, oldest first."""
        return [tag.split(":")[1] for one in self.snapshots() for tag in one["tags"] if tag[:7] == "backup:"]

    def manifest(self, snapshot: str = "latest") -> Json:
        """The manifest of a backup."""
        text = self.restic("dump", "--no-lock", snapshot, f"{WORK}/manifest.json")
        found: Json = json.loads(text)
        return found

    def ask(self, path: str, method: str = "GET") -> Json:
        """OpenSearch, as the user of backups."""
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
        """Snapshot -> state, in OpenSearch's own repository."""
        listed = self.ask("/_snapshot/ragdock/_all").get("snapshots", [])
        return {one["snapshot"]: one["state"] for one in listed}

    def record(self) -> Json:
        """How the last backup went."""
        found: Json = json.loads(self.host.run("cat", "/opt/ragdock/state/backup.json"))
        return found

    def memory(self) -> Json:
        """What the last night left for the next."""
        found: Json = json.loads(self.host.run("cat", MEMORY))
        return found

    def processes(self) -> list[int]:
        """Processes of a backup on the host."""
        listed = self.host.run("ps", "-eo", "pid=,args=", "--no-headers").splitlines()
        return [int(one.split()[0]) for one in listed if OURS.search(one.split(maxsplit=1)[1])]

    def kill(self) -> int:
        """Kill what a backup runs on the host, as a power cut would; how many processes that were."""
        found = self.processes()
        if found:
            self.host.run("kill", "-KILL", *map(str, found), check=False)
        return len(found)


def back_up(*arguments: str) -> Outcome:
    """A backup, as an operator makes it."""
    return play(PLAYBOOK, *arguments)


def begun(*arguments: str) -> Run:
    """A backup that is running."""
    return Run(CHECKOUT, PLAYBOOK, *arguments)


def wait_for(what: str, good: Callable[[], bool], seconds: float = 120, pause: float = 0.3) -> None:
    """Wait for something on the host."""
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end, f"{what}: not after {seconds:.0f} s"
        time.sleep(pause)
