"""SSH to a sandbox host uses a session, as on AWS: tests the stand-ins and the agent, without a host."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

import boto3
import pytest
from botocore.exceptions import ClientError

from sandbox import agent, settings
from sandbox.aws import sessions
from sandbox.session import signed
from tests.unit.role_files import CHECKOUT

STAND_INS = CHECKOUT / "sandbox/session"
INSTANCE = "i-0123456789abcdef0"


class Quiet(WSGIRequestHandler):
    """A handler that logs nothing."""

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


def elsewhere(_environ: Any, start_response: Any) -> list[bytes]:
    """Answers requests that do not concern Session Manager."""
    start_response("200 OK", [])
    return [b"{}"]


@pytest.fixture
def table() -> sessions.Sessions:
    """The registered agents and started sessions."""
    return sessions.Sessions("")


@pytest.fixture
def endpoint(table: sessions.Sessions) -> Iterator[str]:
    """The address of an AWS that has only Session Manager."""
    loop = asyncio.new_event_loop()
    relay = sessions.Relay(table)
    server = loop.run_until_complete(asyncio.start_server(relay.answer, "127.0.0.1", 0))
    table.url = f"tcp://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    app = sessions.Application(elsewhere, table, lambda key: f"user-of-{key}")
    web = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    serving = threading.Thread(target=web.serve_forever, daemon=True)
    serving.start()
    yield f"http://127.0.0.1:{web.server_port}"
    web.shutdown()
    web.server_close()
    asyncio.run_coroutine_threadsafe(end(server), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def end(server: asyncio.Server) -> None:
    """Close the listening socket and all connections."""
    server.close()
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    # The sockets close in the next round of the event loop.
    await asyncio.sleep(0)


AGENT = """
import asyncio, sys
sys.path.insert(0, {checkout!r})
from sandbox.session import agent, signed
def register(endpoint, version):
    keys = signed.Keys("ASIAHOST", "secret", "token")
    values = {{"InstanceId": {instance!r}, "AgentVersion": version, "IPAddress": "10.20.1.4"}}
    found = signed.call(endpoint, "us-east-1", keys, "UpdateInstanceInformation", values)
    return found["StreamUrl"].removeprefix("tcp://"), found["TokenValue"]
agent.register = register
agent.SETTINGS = agent.Path({settings!r})
asyncio.run(agent.main())
"""


@contextmanager
def running_agent(endpoint: str, folder: Path, table: sessions.Sessions) -> Iterator[None]:
    """Run the real agent program, without a metadata service."""
    (folder / "sandbox.json").write_text(json.dumps({"endpoint": endpoint, "version": "3.3.0.0"}))
    program = AGENT.format(
        checkout=str(CHECKOUT),
        instance=INSTANCE,
        settings=str(folder / "sandbox.json"),
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    try:
        until(lambda: any(one.connected for one in table.agents.values()))
        yield
    finally:
        process.kill()
        process.wait()


def until(good: Any, seconds: float = 10) -> None:
    """Wait until a condition is met."""
    end = time.monotonic() + seconds
    while not good():
        assert time.monotonic() < end
        time.sleep(0.02)


@contextmanager
def echo() -> Iterator[int]:
    """The port of a server that returns what it receives and then closes."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection, connection.makefile("rb") as stream:
                    connection.sendall(b"SSH-2.0-" + stream.read())

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def session(endpoint: str, home: Path, port: int, *more: str, given: bytes = b"hello") -> Any:
    """Run `aws ssm start-session` as ssh does."""
    (home / ".aws").mkdir(exist_ok=True)
    (home / ".aws" / "credentials").write_text(
        "[default]\naws_access_key_id=AKIADEFAULT\naws_secret_access_key=x\n"
    )
    (home / ".aws" / "config").write_text(
        "[profile research]\naws_access_key_id=AKIARESEARCH\naws_secret_access_key=y\n"
    )
    clean = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    return subprocess.run(
        [
            STAND_INS / "aws", "ssm", "start-session", "--region", "us-east-1", *more,
            "--endpoint-url", endpoint, "--target", INSTANCE, "--document-name", "AWS-StartSSHSession",
            "--parameters", f"portNumber={port}",
        ],
        env=clean | {"PATH": f"{STAND_INS}:{os.environ['PATH']}", "HOME": str(home)},
        input=given, capture_output=True, timeout=30, check=False,
    )  # fmt: skip


def test_what_ssh_says_reaches_the_host_and_its_answer_comes_back(
    endpoint: str, table: sessions.Sessions, tmp_path: Path
) -> None:
    """The agent connects outward: nothing on this machine connects to the host."""
    long = os.urandom(3_000_000)
    with running_agent(endpoint, tmp_path, table), echo() as port:
        done = session(endpoint, tmp_path, port, given=long)
    assert done.returncode == 0, done.stderr
    assert done.stdout == b"SSH-2.0-" + long


def test_without_an_agent_the_session_is_refused_as_by_aws(endpoint: str, tmp_path: Path) -> None:
    """The host never installed the agent, or is off."""
    done = session(endpoint, tmp_path, 22)
    assert done.returncode != 0
    assert b"An error occurred (TargetNotConnected)" in done.stderr
    assert done.stdout == b""


def test_an_agent_that_ended_is_not_connected_and_one_that_comes_again_is(
    endpoint: str, table: sessions.Sessions, tmp_path: Path
) -> None:
    """As `describe-instance-information` shows."""
    client = boto3.session.Session().client(
        "ssm", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="AKIA", aws_secret_access_key="x",
    )  # fmt: skip

    def said() -> list[str]:
        listed = client.describe_instance_information(Filters=[{"Key": "InstanceIds", "Values": [INSTANCE]}])[
            "InstanceInformationList"
        ]
        return [one["PingStatus"] for one in listed]

    assert said() == []
    with running_agent(endpoint, tmp_path, table):
        assert said() == ["Online"]
    until(lambda: said() == ["ConnectionLost"])
    with pytest.raises(ClientError, match="TargetNotConnected"):
        client.start_session(Target=INSTANCE, DocumentName="AWS-StartSSHSession")
    with running_agent(endpoint, tmp_path, table):
        assert said() == ["Online"]


def test_a_session_has_the_name_of_who_started_it(
    endpoint: str, table: sessions.Sessions, tmp_path: Path
) -> None:
    """The operator's policy uses this name to decide which sessions the operator may end."""
    keys = signed.Keys("AKIA", "x")
    wanted = {"Target": INSTANCE, "DocumentName": "AWS-StartSSHSession"}
    with running_agent(endpoint, tmp_path, table):
        answer = signed.call(endpoint, "us-east-1", keys, "StartSession", wanted)
    assert str(answer["SessionId"]).startswith("user-of-AKIA-")


def test_a_shell_is_not_what_a_session_opens(endpoint: str, table: sessions.Sessions, tmp_path: Path) -> None:
    """Without a document AWS would open a shell, which Ragdock never requests."""
    client = boto3.session.Session().client(
        "ssm", endpoint_url=endpoint, region_name="us-east-1",
        aws_access_key_id="AKIA", aws_secret_access_key="x",
    )  # fmt: skip
    with running_agent(endpoint, tmp_path, table), pytest.raises(ClientError, match="InvalidDocument"):
        client.start_session(Target=INSTANCE)


def test_a_host_whose_sshd_is_off_ends_the_connection(
    endpoint: str, table: sessions.Sessions, tmp_path: Path
) -> None:
    """ssh is not left waiting."""
    with running_agent(endpoint, tmp_path, table):
        began = time.monotonic()
        done = session(endpoint, tmp_path, 1)
    assert done.stdout == b""
    assert time.monotonic() - began < 5


def test_the_profile_decides_whose_session_it_is(
    endpoint: str, table: sessions.Sessions, tmp_path: Path
) -> None:
    """A profile that does not exist is refused, as by the AWS CLI."""
    with running_agent(endpoint, tmp_path, table), echo() as port:
        assert session(endpoint, tmp_path, port, "--profile", "research").returncode == 0
        unknown = session(endpoint, tmp_path, port, "--profile", "nobody")
    assert b"The config profile (nobody) could not be found" in unknown.stderr


def test_the_stand_ins_answer_as_preflight_wants() -> None:
    """Preflight finds them through the sandbox's inventory."""
    for name, text in (("aws", "aws-cli/2."), ("session-manager-plugin", "1.")):
        done = subprocess.run([STAND_INS / name, "--version"], capture_output=True, text=True, check=True)
        assert done.stdout.startswith(text)


def test_the_signature_is_that_of_botocore() -> None:
    """Code that evaluates requests by their keys must accept these like any other."""
    from botocore.auth import SigV4Auth
    from botocore.awsrequest import AWSRequest
    from botocore.credentials import Credentials

    keys = signed.Keys("AKIAEXAMPLE", "secret", "token")
    found = signed.headers(b"{}", "StartSession", "10.99.0.2:5000", "us-east-1", keys, "20261129T110000Z")
    request = AWSRequest("POST", "http://10.99.0.2:5000/", {}, b"{}")
    for name in ("content-type", "x-amz-target"):
        request.headers[name] = found[name]
    request.context["timestamp"] = "20261129T110000Z"
    request.headers["X-Amz-Date"] = "20261129T110000Z"
    request.headers["X-Amz-Security-Token"] = "token"
    auth = SigV4Auth(Credentials("AKIAEXAMPLE", "secret", "token"), "ssm", "us-east-1")
    text = auth.string_to_sign(request, auth.canonical_request(request))
    assert found["authorization"].rpartition("=")[2] == auth.signature(text, request)


needs_gpg = pytest.mark.skipif(
    not all(map(shutil.which, ("gpg", "gpg-agent", "gpgv", "dpkg-deb"))),
    reason="needs gpg, gpgv and dpkg-deb",
)


@needs_gpg
def test_the_agents_package_is_signed_by_the_key_beside_it(tmp_path: Path) -> None:
    """The installer on a host checks this signature as it checks Amazon's."""
    here = settings.Sandbox(checkout=tmp_path)
    (tmp_path / "sandbox").symlink_to(CHECKOUT / "sandbox")
    (tmp_path / "roles").symlink_to(CHECKOUT / "roles")
    agent.ensure(here)
    place = agent.folder(here)
    made = (place / agent.PACKAGE).stat().st_mtime_ns
    agent.ensure(here)
    assert (place / agent.PACKAGE).stat().st_mtime_ns == made, "it was made twice"
    subprocess.run(["gpg", "--dearmor", "--output", tmp_path / "key", place / agent.KEY], check=True)
    subprocess.run(
        ["gpgv", "--keyring", tmp_path / "key", place / agent.SIGNATURE, place / agent.PACKAGE],
        check=True, capture_output=True,
    )  # fmt: skip
    fields = subprocess.run(
        ["dpkg-deb", "--field", place / agent.PACKAGE, "Package", "Version"],
        check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    assert fields == f"Package: amazon-ssm-agent\nVersion: {agent.version(here)}\n"


def test_everyone_can_read_the_package_in_amazons_bucket(tmp_path: Path) -> None:
    """A new host fetches it before it has credentials."""
    from moto.server import ThreadedMotoServer

    from sandbox.aws import publisher

    (tmp_path / "amazon-ssm-agent.deb").write_bytes(b"package")
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        publisher.publish_agent("eu-central-1", "3.3.0.0", tmp_path)
        host, port = server.get_host_and_port()
        path = "amazon-ssm-eu-central-1/3.3.0.0/debian_amd64/amazon-ssm-agent.deb"
        with urllib.request.urlopen(f"http://{host}:{port}/{path}", timeout=10) as answer:
            assert answer.read() == b"package"
    finally:
        server.stop()
