"""The sandbox's AWS endpoint keeps its state in a journal across restarts."""

from __future__ import annotations

import io
import json
import random
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from moto.moto_api._internal import mock_random
from moto.moto_api._internal.models import moto_api_backend
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from moto.sts.models import sts_backends

from sandbox.aws import corrections, identifiers, operations, publisher
from sandbox.aws.journal import Journal
from sandbox.aws.recorder import Recorder

KEY = bytes(range(32))
FORM = "application/x-www-form-urlencoded"
SERVED = {
    "wsgi.url_scheme": "http",
    "SERVER_NAME": "127.0.0.1",
    "SERVER_PORT": "5000",
    "HTTP_HOST": "127.0.0.1:5000",
}
SIGNED_FOR_STS = "AWS4-HMAC-SHA256 Credential=AKIA/20261129/us-east-1/sts/aws4_request"


def request(method: str = "POST", path: str = "/", body: bytes = b"", **more: str) -> dict[str, Any]:
    """A WSGI request."""
    return {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **more,
    }


@pytest.mark.parametrize(
    ("environ", "body", "name", "looks"),
    [
        (request(CONTENT_TYPE=FORM), b"Action=RunInstances&V=1", "RunInstances", False),
        (request(CONTENT_TYPE=FORM), b"Action=DescribeVpcs", "DescribeVpcs", True),
        (request(HTTP_X_AMZ_TARGET="AmazonSSM.PutParameter"), b"{}", "PutParameter", False),
        (request(HTTP_X_AMZ_TARGET="AmazonSSM.GetParameter"), b"{}", "GetParameter", True),
        (request(path="/service/Granite/operation/PutMetricData"), b"", "PutMetricData", False),
        (request("PUT", "/bucket/key"), b"data", "", False),
        (request("GET", "/bucket/key"), b"", "", True),
        (request("POST", "/bucket", QUERY_STRING="delete"), b"<Delete/>", "", False),
    ],
)  # fmt: skip
def test_read_only_operations_are_distinguished(
    environ: dict[str, Any], body: bytes, name: str, looks: bool
) -> None:
    """Each protocol puts the operation's name in another place."""
    assert operations.operation(environ, body) == name
    assert operations.reads_only(environ, name) is looks


def test_journal_gives_back_what_it_was_given(tmp_path: Path) -> None:
    """Complete records in their order; nothing is readable on the disk."""
    journal = Journal(tmp_path / "journal", KEY)
    for record in (b"first", b"", b"a secret"):
        journal.append(record)
    assert list(journal.read()) == [b"first", b"", b"a secret"]
    assert b"a secret" not in journal.path.read_bytes()


def test_journal_drops_a_record_that_was_cut_off(tmp_path: Path) -> None:
    """A crash during a write loses only that record, and later ones are found."""
    journal = Journal(tmp_path / "journal", KEY)
    journal.append(b"first")
    whole = journal.path.read_bytes()
    journal.append(b"second")
    journal.path.write_bytes(journal.path.read_bytes()[: len(whole) + 9])
    assert list(journal.read()) == [b"first"]
    journal.append(b"third")
    assert list(journal.read()) == [b"first", b"third"]


def test_journal_of_another_key_is_known_as_such(tmp_path: Path) -> None:
    """A new key is created after a wipe."""
    Journal(tmp_path / "journal", KEY).append(b"first")
    assert Journal(tmp_path / "journal", KEY).readable()
    assert not Journal(tmp_path / "journal", bytes(32)).readable()


class Account:
    """An AWS with two operations: one creates things with random names, the other lists them."""

    def __init__(self, source: random.Random) -> None:
        """Draw names from `source`, as moto does."""
        self.source = source
        self.made: list[str] = []
        self.meanwhile: Callable[[], None] = lambda: None

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        """Create a thing or list all; either draws a request id."""
        environ["wsgi.input"].read()
        self.source.random()
        if environ.get("HTTP_X_AMZ_TARGET", "").endswith("CreateThing"):
            self.meanwhile()
            self.made.append(f"thing-{self.source.getrandbits(64):x}")
        start_response("200 OK", [])
        return [json.dumps(self.made).encode()]


def recorder(tmp_path: Path) -> tuple[Account, Recorder]:
    """A fresh account on the same journal."""
    source = random.Random()  # noqa: S311
    identifiers.separate(source)
    account = Account(source)
    return account, Recorder(account, Journal(tmp_path / "journal", KEY), source, "salt")


def send(app: Recorder, operation: str) -> None:
    """Send one request."""
    app(request(body=b"{}", HTTP_X_AMZ_TARGET=f"Thing.{operation}"), lambda *_: None)


def test_replay_finds_the_same_identifiers(tmp_path: Path) -> None:
    """Whatever other threads read in the meantime."""
    first, app = recorder(tmp_path)

    def look() -> None:
        """Send another caller's request while the creating one is being answered."""
        reader = threading.Thread(target=send, args=(app, "ListThings"))
        reader.start()
        reader.join()

    first.meanwhile = look
    for _ in range(50):
        send(app, "CreateThing")

    second, again = recorder(tmp_path)
    assert again.replay() == (50, [])
    assert second.made == first.made
    assert len(set(first.made)) == 50

    send(again, "CreateThing")
    assert len(set(second.made)) == 51


def test_replay_finds_the_same_sessions(tmp_path: Path) -> None:
    """A host has stored its role's keys and token, and continues to use them after an AWS restart."""
    given: list[tuple[str, ...]] = []
    for _ in range(2):
        moto_api_backend.reset()
        corrections.apply()
        journal = Journal(tmp_path / "journal", KEY)
        app = Recorder(DomainDispatcherApplication(create_backend_app), journal, mock_random, "salt")
        count, differing = app.replay()
        assert differing == []
        if not count:
            body = b"Action=AssumeRole&Version=2011-06-15&RoleSessionName=host&RoleArn="
            body += b"arn:aws:iam::123456789012:role/host"
            signs = {"HTTP_X_AMZ_DATE": "20261129T100000Z", "HTTP_AUTHORIZATION": SIGNED_FOR_STS}
            b"".join(app(request(body=body, CONTENT_TYPE=FORM, **SERVED, **signs), lambda *_: None))
        (one,) = sts_backends["123456789012"]["aws"].assumed_roles
        given.append((one.access_key_id, one.secret_access_key, one.session_token, str(one.expiration)))
    assert given[0] == given[1]
    assert given[0][3] == "2026-11-29 11:00:00"


def test_events_name_the_instances_of_a_reboot(tmp_path: Path) -> None:
    """A reboot leaves no other trace in the API."""
    _, app = recorder(tmp_path)
    body = b"Action=RebootInstances&InstanceId.1=i-1&InstanceId.2=i-2"
    form = {"CONTENT_TYPE": FORM}
    send(app, "CreateThing")
    app(request(body=body, **form), lambda *_: None)
    answer = json.loads(b"".join(app(request("GET", "/sandbox/events"), lambda *_: None)))
    assert answer["count"] == 2
    assert answer["events"] == [{"operation": "RebootInstances", "instances": ["i-1", "i-2"]}]


def test_publisher_has_an_older_image_too() -> None:
    """To test replacing a host by one of a newer image, two images are needed."""
    older, newest = publisher.images()
    assert older["ami_id"] != newest["ami_id"]
    assert older["creation_date"] < newest["creation_date"]
