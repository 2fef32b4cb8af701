"""Restores and drills as operators run them, and the state that a restore must bring back."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
from collections.abc import Iterator
from typing import Any

from tests.stack.backup.vault import Vault, aws
from tests.stack.endpoint import CHECKOUT, ApiClient
from tests.stack.host import Host
from tests.stack.plays import Outcome, Run, play

RESTORE = "playbooks/restore.yml"
DRILL = "playbooks/drill.yml"
ROOT = "/opt/ragdock"
ALIAS = "quest-research"
Json = dict[str, Any]


def restore(*arguments: str) -> Outcome:
    """Run a restore, as an operator does."""
    return play(RESTORE, *arguments)


def restoring(*arguments: str) -> Run:
    """Start a restore, and return while it is running."""
    return Run(CHECKOUT, RESTORE, *arguments)


def drill(*arguments: str) -> Outcome:
    """Run a drill, as the schedule does."""
    return play(DRILL, *arguments)


class Scene:
    """The state that users and the disk show: it must be equal before a loss and after its repair."""

    def __init__(self, api: ApiClient, host: Host, vault: Vault, keywords: list[str]) -> None:
        self.api, self.host, self.vault = api, host, vault
        self.keywords = keywords

    def as_worker(self, method: str, path: str) -> Json:
        """Send a request to OpenSearch as the worker's user."""
        script = f"""
address=$(docker inspect --format '{{{{range .NetworkSettings.Networks}}}}{{{{.IPAddress}}}}{{{{end}}}}' \\
  $(docker ps -q --filter label=com.docker.compose.service=opensearch))
printf 'user = "ragdock_worker:%s"\\n' "$(cat {ROOT}/secrets/rag-worker/opensearch_password)" |
  curl --silent --show-error --config - --request {method} --cacert {ROOT}/secrets/opensearch/ca.pem \\
  --resolve opensearch:9200:$address {shlex.quote(f"https://opensearch:9200{path}")}
"""
        found: Json = json.loads(self.host.shell(script))
        return found

    def indices(self) -> list[str]:
        """Return the indices that the alias points to."""
        found = self.as_worker("GET", f"/{ALIAS}*/_alias")
        return sorted(name for name, one in found.items() if ALIAS in one["aliases"])

    def files(self) -> dict[str, str]:
        """Map the path of every document's file to its hash."""
        script = f"cd {ROOT}/data/raw && find . -type f ! -name '*.part' -exec sha256sum {{}} +"
        rows = [line.split(maxsplit=1) for line in self.host.shell(script).splitlines()]
        return {path: digest for digest, path in rows}

    def leaving(self) -> list[str]:
        """Return files that the worker will remove: left by a killed smoke test, or by deleted documents."""
        listed = self.documents()
        return [
            path
            for path in self.files()
            if "/canary" in path or (path.startswith("./uploads/") and path.split("/")[2] not in listed)
        ]

    def documents(self) -> dict[str, str]:
        """Map every document's id to its name and state."""
        listed = self.api.http.get("/api/documents", params={"limit": 1000}).json()["documents"]
        return {one["id"]: f"{one['name']} {one['state']}" for one in listed}

    def hits(self) -> dict[str, list[str]]:
        """Map each keyword to the hashes of the passages found that contain it, in their order.

        The order of other passages depends on deleted documents, which Lucene counts until it merges.
        """
        found = {
            word: [text for one in self.api.search(word) if word.split()[-1] in (text := str(one["passage"]))]
            for word in self.keywords
        }
        return {word: [hashlib.sha256(text.encode()).hexdigest() for text in found[word]] for word in found}

    def chunks(self) -> int:
        """Return the number of passages in the index."""
        self.as_worker("POST", f"/{ALIAS}/_refresh")
        return int(self.as_worker("GET", f"/{ALIAS}/_count")["count"])

    def state(self) -> Json:
        """Return the whole state, to be compared."""
        return {
            "documents": self.documents(),
            "files": self.files(),
            "hits": self.hits(),
            "chunks": self.chunks(),
        }

    def nothing_left(self) -> list[str]:
        """Return what a restore or drill left behind, except safety copies."""
        script = f"""
for one in drill restore/staged restore/journal.json snapshots/restored; do
  if [ -e {ROOT}/$one ]; then echo {ROOT}/$one; fi
done
docker ps --all --quiet --filter label=ragdock.throwaway
docker network ls --quiet --filter label=ragdock.throwaway
"""
        return self.host.shell(script).split()

    def record(self, job: str) -> Json:
        """Return the record of the last run of a job."""
        found: Json = json.loads(self.host.run("cat", f"{ROOT}/state/{job}.json"))
        return found

    def kill(self, pattern: str) -> int:
        """Kill the host's processes that match, as a power cut would, and return how many there were."""
        found = self.host.run("pgrep", "-f", pattern, check=False).split()
        if found:
            self.host.run("kill", "-KILL", *found, check=False)
        return len(found)

    def reboot(self) -> None:
        """Reboot the host, as a power cut or a person would."""
        self.host.run("systemctl", "reboot", check=False)


@contextlib.contextmanager
def damaged(vault: Vault, path: str) -> Iterator[None]:
    """Change one byte of the pack that holds a file, as a failing disk would; repair it afterwards."""
    folder, name = path.rsplit("/", 1)
    newest = vault.snapshots()[-1]["id"]
    listed = json.loads(vault.restic("cat", "tree", "--no-lock", f"{newest}:{folder}"))["nodes"]
    (blob,) = [one["content"][0] for one in listed if one["name"] == name]
    output = vault.restic("find", "--blob", "--show-pack-id", "--no-lock", blob)
    pack = output.partition("belongs to pack ")[2].split()[0]
    bucket, prefix = vault.location.split("/", 4)[3:]
    store = aws("s3")
    key = f"{prefix}/data/{pack[:2]}/{pack}"
    whole = store.get_object(Bucket=bucket, Key=key)["Body"].read()
    middle = len(whole) // 2
    store.put_object(
        Bucket=bucket, Key=key, Body=whole[:middle] + bytes([whole[middle] ^ 255]) + whole[middle + 1 :]
    )
    vault.host.shell(f"rm -rf {ROOT}/backup/cache")
    try:
        yield
    finally:
        store.put_object(Bucket=bucket, Key=key, Body=whole)
