"""Runs on the host: fills the live index with made-up passages, changes or removes them.

python3 - fill <from> <to> <version> | python3 - clear
"""

from __future__ import annotations

import base64
import http.client
import json
import random
import ssl
import subprocess
import sys
from pathlib import Path

DIMENSION = 384
BATCH = 500
WORDS = 160
DOCUMENT = "bench-of-backups"
SECRETS = Path("/opt/ragdock/secrets")


def ask(method: str, path: str, body: str | None = None) -> dict[str, object]:
    """Send one request to OpenSearch as the worker's user."""
    label = "label=com.docker.compose.service=opensearch"
    listed = subprocess.run(
        ["docker", "ps", "-q", "--filter", label], capture_output=True, text=True, check=True
    )
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    found = subprocess.run(
        ["docker", "inspect", "--format", form, *listed.stdout.split()],
        capture_output=True,
        text=True,
        check=True,
    )
    context = ssl.create_default_context(cafile=str(SECRETS / "opensearch" / "ca.pem"))
    context.check_hostname = False
    connection = http.client.HTTPSConnection(found.stdout.strip(), 9200, context=context, timeout=600)
    password = (SECRETS / "rag-worker" / "opensearch_password").read_text().strip()
    key = base64.b64encode(f"ragdock_worker:{password}".encode()).decode()
    headers = {"Authorization": f"Basic {key}", "Content-Type": "application/json"}
    connection.request(method, path, body, headers)
    answer = connection.getresponse()
    text = answer.read()
    if answer.status >= http.client.BAD_REQUEST:
        raise SystemExit(f"{method} {path}: {answer.status} {text[:300]!r}")
    return dict(json.loads(text))


def passage(number: int, version: int) -> dict[str, object]:
    """Return a passage that depends only on its number and version."""
    dice = random.Random(number * 1_000_003 + version)  # noqa: S311 - no secret
    words = [f"w{int(dice.paretovariate(0.6)) % 50000}" for _ in range(WORDS)]
    return {
        "document_id": f"{DOCUMENT}-{number // 100:06d}",
        "ordinal": number % 100,
        "kind": "txt",
        "title": " ".join(words[:6]),
        "text": " ".join(words),
        "page_start": 1,
        "page_end": 1,
        "page_marks": {"marks": []},
        "added": "2026-01-01T00:00:00Z",
        "vector": [round(dice.gauss(0, 1), 4) for _ in range(DIMENSION)],
    }


def fill(first: int, last: int, version: int) -> None:
    """Write passages."""
    for start in range(first, last, BATCH):
        lines = []
        for number in range(start, min(last, start + BATCH)):
            one = passage(number, version)
            name = f"{one['document_id']}-{number % 100:06d}"
            lines += [json.dumps({"index": {"_index": "quest-research", "_id": name}}), json.dumps(one)]
        if ask("POST", "/_bulk", "\n".join(lines) + "\n")["errors"]:
            raise SystemExit("a passage was refused")
    ask("POST", "/quest-research/_refresh")


def main() -> None:
    """Run the command given in the arguments."""
    if sys.argv[1] == "fill":
        fill(*(int(one) for one in sys.argv[2:5]))
    else:
        query = {"query": {"prefix": {"document_id": DOCUMENT}}}
        ask("POST", "/quest-research/_delete_by_query?refresh=true&conflicts=proceed", json.dumps(query))
        ask("POST", "/quest-research/_forcemerge?only_expunge_deletes=true")


if __name__ == "__main__":
    main()
