"""The `aws` container's program: moto's server with published images, persistent state and authorization."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
import threading
import time
from pathlib import Path

from sandbox.aws import corrections, identifiers, people, publisher, sessions
from sandbox.aws.faults.layer import Faults
from sandbox.aws.journal import Journal
from sandbox.aws.recorder import Recorder

STATE = Path("/var/lib/aws")
KEY = Path("/run/journal/key")
POLICIES = Path("/etc/policies")
AGENT = Path("/run/agent")
ORGANIZATION = Path("/run/organization")


def salt() -> str:
    """Return the salt that makes this account's identifiers differ from another's."""
    path = STATE / "salt"
    if not path.exists():
        path.write_text(secrets.token_hex(16))
    return path.read_text()


def main() -> None:
    """Replay the recorded requests, then serve."""
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

    from sandbox.aws.authorization.account import Account
    from sandbox.aws.authorization.judge import Judge
    from sandbox.aws.authorization.organization import Organization
    from sandbox.aws.bedrock import BedrockKeys

    corrections.apply()
    identifiers.separate(mock_random)
    mock_random.seed(salt())
    publisher.publish(account, region)
    policies = {path.stem: path.read_text() for path in sorted(POLICIES.glob("*.json"))}
    operator = people.Keys(os.environ["AWS_OPERATOR_KEY"], os.environ["AWS_OPERATOR_SECRET"])
    people.make_operator(account, operator, policies)
    publisher.publish_agent(region, os.environ["AGENT_VERSION"], AGENT)
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
    table = sessions.Sessions(f"tcp://{os.environ['AWS_ADDRESS']}:{sessions.PORT}")
    relay = sessions.Relay(table).serve("0.0.0.0")  # noqa: S104
    threading.Thread(target=asyncio.run, args=(relay,), daemon=True).start()
    known = Account(account, region, Organization(ORGANIZATION))
    app = Faults(sessions.Application(recorder, table, known.name_of))
    judge = Judge(app, known, people.administrator(KEY.read_bytes()))
    around = BedrockKeys(judge, known)
    run_simple("0.0.0.0", 5000, around, threaded=True, request_handler=MotoRequestHandler)  # noqa: S104


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
