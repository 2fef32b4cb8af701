"""The `aws` container's program: moto's server, seeded and remembering."""

from __future__ import annotations

import os
import secrets
import sys
import time
from pathlib import Path

from sandbox.aws import corrections, identifiers, publisher
from sandbox.aws.faults.layer import Faults
from sandbox.aws.journal import Journal
from sandbox.aws.recorder import Recorder

STATE = Path("/var/lib/aws")
KEY = Path("/run/journal/key")


def salt() -> str:
    """What makes this account's identifiers differ from another's."""
    path = STATE / "salt"
    if not path.exists():
        path.write_text(secrets.token_hex(16))
    return path.read_text()


def main() -> None:
    """Replay what was done before, then serve."""
    account, region = os.environ["AWS_ACCOUNT"], os.environ["AWS_REGION"]
    images = STATE / "amis.json"
    publisher.write_images(images)
    os.environ["MOTO_AMIS_PATH"] = str(images)

    # moto reads its environment when imported.
    from moto.moto_api._internal import mock_random
    from moto.moto_server.werkzeug_app import (
        DomainDispatcherApplication,
        MotoRequestHandler,
        create_backend_app,
    )
    from werkzeug.serving import run_simple

    corrections.apply()
    identifiers.separate(mock_random)
    mock_random.seed(salt())
    publisher.publish(account, region)
    journal = Journal(STATE / "journal", KEY.read_bytes())
    if not journal.readable():
        _say("The journal was sealed with another key: starting empty.")
        journal.path.unlink()
    recorder = Recorder(DomainDispatcherApplication(create_backend_app), journal, mock_random, salt())
    began = time.monotonic()
    count, differing = recorder.replay()
    _say(f"Replayed {count} requests in {time.monotonic() - began:.1f} s.")
    for line in differing:
        _say(f"Replay differs: {line}")
    run_simple("0.0.0.0", 5000, Faults(recorder), threaded=True, request_handler=MotoRequestHandler)  # noqa: S104


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
