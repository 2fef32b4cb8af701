"""A local AWS API in this process, empty at first, with the sandbox's corrections and faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.aws import corrections, people, publisher
from sandbox.aws.authorization.account import Account, Principal
from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.judge import Judge
from sandbox.aws.authorization.organization import Organization
from sandbox.aws.authorization.policies import Decision
from sandbox.aws.authorization.rights import Right
from sandbox.aws.faults.layer import Faults
from sandbox.aws.people import Keys
from sandbox.settings import ACCOUNT, OPERATOR_KEYS

REGION = "us-east-1"
ADMINISTRATOR = people.administrator(b"a test's")
# Keys for a local AWS that does not check who is calling.
ANYBODY = people.Keys("local", "local")

corrections.apply()


@dataclass(frozen=True)
class LocalAws:
    """A local AWS: its address and its faults."""

    url: str
    faults: Faults

    def client(self, service: str, keys: Keys = ANYBODY, **more: Any) -> Any:
        """A client of one of its services."""
        return client(service, self.url, keys, **more)

    @contextmanager
    def fault(self, name: str, number: int | None = None) -> Iterator[None]:
        """Switch one fault on for the duration of the context."""
        self.faults.switch(name, True, number)
        try:
            yield
        finally:
            self.faults.switch(name, False)


@contextmanager
def _served(app: Any) -> Iterator[str]:
    """Serve the application on a free port and yield its address."""
    server = make_server("127.0.0.1", 0, app, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def faulty_aws() -> Iterator[LocalAws]:
    """Serve a local AWS that does not check who is calling."""
    faults = Faults(DomainDispatcherApplication(create_backend_app))
    with _served(faults) as url:
        yield LocalAws(url, faults)


@contextmanager
def local_aws() -> Iterator[str]:
    """Yield the address of a local AWS without faults."""
    with faulty_aws() as local:
        yield local.url


class Listening(Judge):
    """A judge that records every decision it is asked for."""

    asked: set[tuple[str, str]]

    def decide(self, principal: Principal, right: Right, call: Call) -> Decision:
        """Record the request, then decide as the judge does."""
        self.asked.add((principal.arn, right.action))
        return super().decide(principal, right, call)


@dataclass(frozen=True)
class JudgedAws(LocalAws):
    """A local AWS that refuses what no policy allows."""

    # The lines that the sandbox would log.
    log: list[str] = field(default_factory=list)
    # Every right that was checked: the ARN of the principal, and the action.
    asked: set[tuple[str, str]] = field(default_factory=set)

    def client(self, service: str, keys: Keys = ADMINISTRATOR, **more: Any) -> Any:
        """A client of one of its services, by default the administrator's."""
        return client(service, self.url, keys, **more)


@contextmanager
def judged_aws(policies: Mapping[str, str], organization: Path | None = None) -> Iterator[JudgedAws]:
    """Serve one in which the operator has these policies; ORGANIZATION is a folder of control policies."""
    from moto.ec2.models import amis
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    corrections.apply()
    # The sandbox's moto reads these images from a file.
    known = {one["ami_id"] for one in amis.AMIS}
    amis.AMIS.extend(one for one in publisher.images() if one["ami_id"] not in known)
    publisher.publish(ACCOUNT, REGION)
    people.make_operator(ACCOUNT, OPERATOR_KEYS, policies)
    faults = Faults(DomainDispatcherApplication(create_backend_app))
    log: list[str] = []
    account = Account(ACCOUNT, REGION, Organization(organization))
    judge = Listening(faults, account, ADMINISTRATOR, log.append)
    judge.asked = set()
    try:
        with _served(judge) as url:
            yield JudgedAws(url, faults, log, judge.asked)
    finally:
        # The other local AWSs of this process share the state.
        moto_api_backend.reset()


def client(service: str, address: str, keys: Keys = ANYBODY, token: str = "", **more: Any) -> Any:
    """Return a client of one of the services at this address."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id=keys.access,
        aws_secret_access_key=keys.secret,
        aws_session_token=token or None,
        **more,
    )
