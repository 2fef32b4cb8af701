"""Deploy a changed rag-app under five requests a second, and roll it back.

    python -m bench.redeploy

Needs a deployed sandbox; afterwards the release it found is live again.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bench.measuring import Figure, machine, show
from tests.stack import papers
from tests.stack.endpoint import ApiClient, Endpoint, value
from tests.stack.load import Load, Streams
from tests.stack.plays import copy_of_checkout, edit, play

APP = "services/rag-app/src/rag_app/__init__.py"
SETTLE_SECONDS = 5


def main() -> None:
    """Measure and show."""
    about = machine()
    endpoint = Endpoint(value("url").rstrip("/"), value("token"), value("ca"))
    api = ApiClient(endpoint)
    api.ready(api.brought("lighthouse.md", papers.good("md", "Skerryvore")))
    with tempfile.TemporaryDirectory() as where:
        copy = copy_of_checkout(Path(where))
        edit(copy, APP, lambda text: f"{text}\n# {papers.word()}\n")
        with Load(endpoint) as calm:
            time.sleep(3 * SETTLE_SECONDS)
        with Load(endpoint) as load, Streams(endpoint) as streams:
            time.sleep(SETTLE_SECONDS)
            deployed = play("playbooks/deploy.yml", checkout=copy).good()
            time.sleep(SETTLE_SECONDS)
    with Load(endpoint) as back:
        rolled = play("playbooks/rollback.yml").good()
    api.http.close()
    figures = [
        Figure("deploy of a changed rag-app", deployed.seconds, "s", aim="< 45 s"),
        Figure("requests during it", load.tally.total, "", note=str(dict(load.tally.answered))),
        Figure("of them failed", len(load.tally.failed), "", aim="0"),
        Figure("streamed answers, whole", streams.whole, ""),
        Figure("streamed answers, cut off", len(streams.cut), "", aim="0"),
        Figure(
            "slowest page",
            load.tally.slowest["landing"],
            "s",
            calm.tally.slowest["landing"],
            note="ratio to calm",
        ),
        Figure(
            "slowest answer", load.tally.slowest["ask"], "s", calm.tally.slowest["ask"], note="ratio to calm"
        ),
        Figure("rollback", rolled.seconds, "s", aim="< 25 s"),
        Figure("requests during the rollback", back.tally.total, ""),
        Figure("of them failed ", len(back.tally.failed), "", aim="0"),
    ]
    show("redeploy", "Redeploy and rollback under 5 requests a second", figures, about)


if __name__ == "__main__":
    main()
