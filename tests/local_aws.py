"""A local AWS API in this process, empty at first, with the sandbox's corrections and faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import boto3
from botocore.config import Config
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.aws import corrections, people, publisher
from sandbox.aws.authorization.account import Account, Principal
from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.judge import Judge
from sandbox.aws.authorization.policies import Decision
from sandbox.aws.authorization.rights import Right
from sandbox.aws.faults.layer import Faults
from sandbox.settings import ACCOUNT, OPERATOR_KEY

REGION = "us-east-1"
ADMINISTRATOR = people.administrator_key(b"a test's")

corrections.apply()


@dataclass(frozen=True)
class LocalAws:
    """Its address, and its faults."""

    url: str
    faults: Faults

    def client(self, service: str) -> Any:
        """A client of one of its services."""
        return client(service, self.url)

    @contextmanager
    def fault(self, name: str, number: int | None = None) -> Iterator[None]:
        """One fault, for as long as this lasts."""
        self.faults.switch(name, True, number)
        try:
            yield
        finally:
            self.faults.switch(name, False)


@contextmanager
def faulty_aws() -> Iterator[LocalAws]:
    """Serve one on a port of its own."""
    faults = Faults(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, faults, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield LocalAws(f"http://127.0.0.1:{server.server_port}", faults)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def local_aws() -> Iterator[str]:
    """The address of one that has no faults."""
    with faulty_aws() as local:
        yield local.url


class Listening(Judge):
    """One that remembers what it was asked."""

    asked: set[tuple[str, str]]

    def decide(self, principal: Principal, right: Right, call: Call) -> Decision:
        """As the judge; and remember."""
        self.asked.add((principal.arn, right.action))
        return super().decide(principal, right, call)


@dataclass
class JudgedAws:
    """A local AWS that refuses what no policy allows."""

    address: str
    # What the sandbox's log would say.
    log: list[str] = field(default_factory=list)
    # Every right that somebody was asked for: the ARN of who, and the action.
    asked: set[tuple[str, str]] = field(default_factory=set)

    def client(self, service: str, key: str = ADMINISTRATOR, config: Config | None = None) -> Any:
        """A client of one of its services, by default the administrator's."""
        return client(service, self.address, key, config)


@contextmanager
def judged_aws(policies: Mapping[str, str]) -> Iterator[JudgedAws]:
    """Serve one in which the operator has these policies."""
    from moto.ec2.models import amis
    from moto.moto_api._internal.models import moto_api_backend

    moto_api_backend.reset()
    corrections.apply()
    # In the sandbox moto reads them from a file.
    known = {one["ami_id"] for one in amis.AMIS}
    amis.AMIS.extend(one for one in publisher.images() if one["ami_id"] not in known)
    publisher.publish(ACCOUNT, REGION)
    people.make_operator(ACCOUNT, OPERATOR_KEY, policies)
    found = JudgedAws("")
    judge = Listening(
        DomainDispatcherApplication(create_backend_app),
        Account(ACCOUNT, REGION),
        ADMINISTRATOR,
        found.log.append,
    )
    judge.asked = found.asked
    server = make_server("127.0.0.1", 0, judge, threaded=True, request_handler=MotoRequestHandler)
    found.address = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def client(service: str, address: str, key: str = "local", config: Config | None = None) -> Any:
    """A client of one of its services."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=address,
        region_name=REGION,
        aws_access_key_id=key,
        aws_secret_access_key=key,
        config=config,
    )
