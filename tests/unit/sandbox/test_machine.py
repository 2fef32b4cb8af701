"""What the sandbox does to this machine, and the first boot of its hosts."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import io
import json
import os
import shutil
import socket
import ssl
import subprocess
import tarfile
import threading
from ipaddress import IPv4Address, ip_network
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError

from sandbox import docker_api, engine, forwarder, lifecycle, listeners, metadata, pki, seed, settings, trust
from sandbox.errors import SandboxError
from sandbox.router import metadata as responder
from sandbox.settings import Sandbox

from .test_decisions import HOST, SANDBOX

NOW = dt.datetime.now(dt.UTC)
LOCAL = frozenset({ip_network("127.0.0.0/8")})
NAME = "123456789012.dkr.ecr.us-east-1.amazonaws.com"


def test_registry_certificate_satisfies_a_strict_client(tmp_path: Path) -> None:
    """Python 3.13 and Docker refuse an authority without key usage, and a name that is not listed."""
    address = IPv4Address("127.0.0.1")
    assert pki.ensure(tmp_path, NAME, address, NOW)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "tls.crt", tmp_path / "tls.key")
    client = ssl.create_default_context(cafile=str(tmp_path / "ca.crt"))
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        with server.wrap_socket(connection, server_side=True) as tls:
            tls.recv(1)

    thread = threading.Thread(target=serve)
    thread.start()
    with (
        socket.create_connection(listener.getsockname()) as raw,
        client.wrap_socket(raw, server_hostname=NAME) as tls,
    ):
        tls.send(b"x")
    thread.join()
    listener.close()


def test_a_certificate_is_reissued_only_when_it_is_no_longer_valid(tmp_path: Path) -> None:
    """Each new certificate restarts the registry."""
    address = IPv4Address("10.99.0.3")
    assert pki.ensure(tmp_path, NAME, address, NOW)
    assert not pki.ensure(tmp_path, NAME, address, NOW)
    assert pki.ensure(tmp_path, "other.example", address, NOW)
    assert pki.ensure(tmp_path, "other.example", address, NOW + dt.timedelta(days=790))
    (tmp_path / "tls.key").write_text("")
    assert pki.ensure(tmp_path, "other.example", address, NOW)
    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o600


def test_trust_is_established_once_and_withdrawn_whole(tmp_path: Path) -> None:
    """The user's own text in both places stays unchanged."""
    hosts, certificates = tmp_path / "hosts", tmp_path / "certs.d"
    hosts.write_text("127.0.0.1 localhost\n")
    (certificates / "mine").mkdir(parents=True)
    for _ in range(2):
        trust.establish(SANDBOX, b"CA", hosts, certificates)
    assert hosts.read_text() == f"127.0.0.1 localhost\n10.99.0.3 {NAME} {trust.MARK}\n"
    trust.name(SANDBOX, {"rag.example.org": "127.1.2.3"}, hosts)
    assert hosts.read_text().splitlines()[2:] == [f"127.1.2.3 rag.example.org {trust.MARK}"]
    assert (certificates / NAME / "ca.crt").read_bytes() == b"CA"
    assert len(trust.withdraw(SANDBOX, hosts, certificates)) == 2
    assert hosts.read_text() == "127.0.0.1 localhost\n"
    assert [path.name for path in certificates.iterdir()] == ["mine"]
    assert trust.withdraw(SANDBOX, hosts, certificates) == []


def test_a_certificate_that_is_not_ours_stays(tmp_path: Path) -> None:
    """A user may reach the real ECR through a proxy."""
    hosts, folder = tmp_path / "hosts", tmp_path / "certs.d" / NAME
    hosts.write_text("")
    folder.mkdir(parents=True)
    (folder / "ca.crt").write_text("theirs")
    assert trust.withdraw(SANDBOX, hosts, tmp_path / "certs.d") == []
    assert (folder / "ca.crt").read_text() == "theirs"


def test_seed_carries_key_user_data_and_trust() -> None:
    """Only root can read the user data, which may hold a secret."""
    user_data = base64.b64encode(b"#cloud-config\nusers: []\n").decode()
    born = seed.archive(HOST, Sandbox(), "ssh-ed25519 AAAA", user_data, b"CA")
    with tarfile.open(fileobj=io.BytesIO(born)) as tar:
        files = {member.name: member for member in tar}
        meta = json.loads(tar.extractfile("var/lib/cloud/seed/nocloud/meta-data").read())  # type: ignore[union-attr]
        assert meta == {
            "instance-id": "i-1",
            "local-hostname": "ip-10-20-1-4",
            "public-keys": ["ssh-ed25519 AAAA"],
        }
        given = tar.extractfile("var/lib/cloud/seed/nocloud/user-data").read()  # type: ignore[union-attr]
        assert given == b"#cloud-config\nusers: []\n"
    assert files["var/lib/cloud/seed/nocloud/user-data"].mode == 0o600
    assert files[f"etc/docker/certs.d/{NAME}/ca.crt"].mode == 0o644
    assert files["etc/systemd/system/sysinit.target.wants/sandbox-hardware.service"].issym()
    assert seed.machine_id("i-1") != seed.machine_id("i-2")


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("/latest/meta-data/instance-id", "i-1"),
        ("/latest/meta-data/placement/", "availability-zone\nregion"),
        ("/latest/meta-data/public-ipv4", None),
        ("/latest/meta-data/instance-id/deeper", None),
        ("/latest/", "meta-data/\ndynamic/"),
    ],
)
def test_metadata_answers_like_folders(path: str, wanted: str | None) -> None:
    """AWS agents walk the tree by these listings."""
    assert responder.find(metadata.tree(HOST, "us-east-1", None), path) == wanted


@pytest.mark.parametrize(
    ("header", "wanted"),
    [("60", 60), ("21600", 21600), ("21601", None), ("0", None), ("x", None), (None, None)],
)
def test_token_lifetime_has_limits(header: str | None, wanted: int | None) -> None:
    """The limits are those of EC2."""
    assert responder.lifetime(header) == wanted


def test_credentials_are_renewed_in_time_and_with_the_profile() -> None:
    """A host must never get expired credentials, nor those of a role that it no longer has."""
    with_role = HOST.model_copy(update={"profile_arn": "arn:p"})
    held = {"arn": "arn:p", "until": (NOW + dt.timedelta(hours=3)).timestamp()}
    assert metadata.fresh(held, with_role, NOW)
    assert not metadata.fresh(held, with_role, NOW + dt.timedelta(hours=2))
    assert not metadata.fresh(held, HOST.model_copy(update={"profile_arn": "arn:q"}), NOW)
    assert not metadata.fresh(None, with_role, NOW)
    assert metadata.fresh(None, HOST, NOW)


def test_taken_port_is_named_with_its_owner() -> None:
    """The message must tell the user enough to act."""
    with socket.create_server(("0.0.0.0", 0)) as taken:  # noqa: S104
        port = taken.getsockname()[1]
        assert listeners.listens_everywhere(port)
        assert f"(pid {os.getpid()})" in listeners.owner(port)

        async def follow() -> list[str]:
            return await forwarder.Forwarder(listeners.owner).follow(
                {("127.44.0.1", port): forwarder.Forward(("127.0.0.1", 1), LOCAL)}
            )

        (problem,) = asyncio.run(follow())
    assert f"Port {port} of this machine is taken by" in problem
    assert f"(pid {os.getpid()})" in problem


def test_a_forward_carries_both_ways_and_closes() -> None:
    """A long answer arrives after the caller has closed its sending side, as HTTP clients may."""

    async def story() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.read()
            writer.write(asked * 100_000)
            await writer.drain()
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        target = ("127.0.0.1", server.sockets[0].getsockname()[1])
        with socket.create_server(("127.44.0.1", 0)) as free:
            endpoint = free.getsockname()
        forwards = forwarder.Forwarder(listeners.owner)
        assert await forwards.follow({endpoint: forwarder.Forward(target, LOCAL)}) == []
        reader, writer = await asyncio.open_connection(*endpoint)
        writer.write(b"hello")
        writer.write_eof()
        assert len(await reader.read()) == 500_000
        writer.close()
        # From the next connection on, a client outside the ranges gets nothing.
        elsewhere = forwarder.Forward(target, frozenset({ip_network("127.9.9.9/32")}))
        assert await forwards.follow({endpoint: elsewhere}) == []
        reader, writer = await asyncio.open_connection(*endpoint)
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert await forwards.follow({}) == []
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection(*endpoint)
        server.close()
        await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))

    asyncio.run(story())


def test_name_and_region_come_from_the_inventory(tmp_path: Path) -> None:
    """The sandbox and the playbooks must use the same deployment."""
    folder = tmp_path / settings.INVENTORY
    folder.mkdir(parents=True)
    (folder / "00-defaults.yml").write_text("ragdock_name: demo\nragdock_region: eu-central-1\n")
    (folder / "settings.yml").write_text("ragdock_name: mine\nragdock_models: []\n")
    found = settings.load(tmp_path)
    assert (found.name, found.region) == ("mine", "eu-central-1")
    assert found.registry == "123456789012.dkr.ecr.eu-central-1.amazonaws.com"
    (folder / "settings.yml").write_text("ragdock_name: [\n")
    with pytest.raises(SandboxError, match="not YAML"):
        settings.load(tmp_path)


@pytest.mark.parametrize(
    ("status", "message", "wanted"),
    [
        (400, 'invalid CapDrop: capability not supported by your kernel: "CAP_SYS_RESOURCE"', True),
        (400, "invalid mount config", False),
        (409, "the name is in use", False),
    ],
)
def test_an_engine_that_lacks_a_dropped_capability_is_recognised(
    status: int, message: str, *, wanted: bool
) -> None:
    """Docker 29 refuses to drop a capability that it lacks; only that request is repeated without."""
    answer = requests.Response()
    answer.status_code = status
    assert docker_api.drops_what_is_not_there(APIError("refused", answer, message)) is wanted


class FakeEngine:
    """An engine with these containers; the code under test requests nothing else from Docker here."""

    def __init__(self, *names: str) -> None:
        self.containers, self.api = self, self
        self.names = names
        self.pruned = False

    def list(self, *, all: bool) -> list[Any]:
        return [SimpleNamespace(name=name) for name in self.names] if all else []

    def prune_builds(self, *, all: bool) -> dict[str, int]:
        self.pruned = all
        return {"SpaceReclaimed": 5 << 20}


def test_a_wipe_ends_the_engine_that_the_bootstrap_started_and_no_other(tmp_path: Path) -> None:
    """Found by process number and name; never one with other containers, nor one that ran before."""
    dockerd = tmp_path / "dockerd"
    shutil.copy(shutil.which("sleep") or "", dockerd)
    record = tmp_path / "dockerd.pid"
    with subprocess.Popen([dockerd, "60"]) as started:
        record.write_text(f"{started.pid}\n")
        found = engine.ours(record)
        assert found is not None
        busy = FakeEngine("a-database")
        assert engine.end(busy, found)[0] == []
        assert "a-database" in engine.end(busy, found)[1]
        assert engine.end(FakeEngine(), None)[0] == []
        assert started.poll() is None
        assert not busy.pruned
        assert engine.end(FakeEngine(), found) == (
            ["build cache (5 MiB)", f"Docker Engine (process {started.pid})"],
            "",
        )
    assert engine.ours(record) is None
    record.write_text(f"{os.getpid()}\n")
    assert engine.ours(record) is None


def of_checkout(checkout: Path) -> Any:
    """A Docker client on a machine whose sandbox was created from this checkout."""
    binds = [f"{checkout}/sandbox/router:/opt/router:ro", "/run/metadata:/run/metadata:ro"]
    router = SimpleNamespace(attrs={"HostConfig": {"Binds": binds}})
    listed = SimpleNamespace(list=lambda **_: [])
    return SimpleNamespace(networks=listed, containers=SimpleNamespace(get=lambda _name: router))


def test_the_sandbox_of_another_checkout_is_not_taken_over(tmp_path: Path) -> None:
    """Its deployments would become unreachable, since keys differ. A deleted checkout has no deployments."""
    with pytest.raises(SandboxError, match=f"another checkout: {tmp_path}") as refused:
        lifecycle._refuse_another(of_checkout(tmp_path), SANDBOX)
    assert refused.value.action.endswith(f"make -C {tmp_path} wipe")
    lifecycle._refuse_another(of_checkout(tmp_path / "gone"), SANDBOX)
    lifecycle._refuse_another(of_checkout(SANDBOX.checkout), SANDBOX)
