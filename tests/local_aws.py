"""A local AWS API in this process, empty at first, with the sandbox's corrections and faults."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sandbox.aws import corrections
from sandbox.aws.faults.layer import Faults

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


def client(service: str, address: str) -> Any:
    """A client of one of its services."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id="local",
        aws_secret_access_key="local",
    )
