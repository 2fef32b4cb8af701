"""Secrets are created once and are strong, and their certificates pass strict verification."""

from __future__ import annotations

import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest
import yaml
from cryptography import x509

from ansible_collections.ragdock.host.plugins.module_utils.secret_store import Store, password
from ansible_collections.ragdock.host.plugins.modules import aws_secrets_make as maker
from tests.unit.role_files import ROLES

PARAMS = yaml.safe_load((ROLES / "aws_secrets/defaults/main.yml").read_text())
WANTED = {
    "passwords": PARAMS["aws_secrets_passwords_of_the_main_host"],
    "certificates": PARAMS["aws_secrets_certificates_of_the_main_host"],
    "deployment": "unit",
}


@pytest.fixture
def store(ssm: Any, request: pytest.FixtureRequest) -> Any:
    """A store with a path of its own for each test."""
    return Store(ssm, f"/ragdock/{request.node.name}/", {"ragdock:name": "unit"})


def values(store: Any) -> dict[str, bytes]:
    """Everything in the store."""
    return {name: store.value(name) for name in store.names()}


def test_a_second_run_changes_no_secret(store: Any) -> None:
    """A changed key would lock the stack out of its own data."""
    first = maker.make(store, WANTED, dry=False)
    before = values(store)
    assert sorted(first) == sorted(before)
    assert maker.make(store, WANTED, dry=False) == []
    assert values(store) == before


def test_only_the_missing_secret_is_made(store: Any) -> None:
    """A release may need another secret; the existing ones stay."""
    maker.make(store, WANTED, dry=False)
    before = values(store)
    store.remove(["api_token", "opensearch_node_key", "opensearch_node_cert"])
    made = maker.make(store, WANTED, dry=False)
    assert sorted(made) == ["api_token", "opensearch_node_cert", "opensearch_node_key"]
    after = values(store)
    assert {name for name in before if before[name] != after[name]} == set(made)


def test_check_mode_makes_nothing(store: Any) -> None:
    """It only reports what it would create."""
    assert (
        len(maker.make(store, WANTED, dry=True)) == len(PARAMS["aws_secrets_passwords_of_the_main_host"]) + 8
    )
    assert store.names() == set()


@pytest.mark.parametrize("name", ["edge_ca", "opensearch_ca", "opensearch_node"])
def test_a_run_that_died_between_key_and_certificate_is_completed(store: Any, name: str) -> None:
    """The key is kept, so what it has signed stays valid."""
    maker.make(store, WANTED, dry=False)
    key, leaf = store.value(f"{name}_key"), store.pair("opensearch_node").certificate
    store.remove([f"{name}_cert"])
    assert maker.make(store, WANTED, dry=True) == [f"{name}_cert"]
    assert maker.make(store, WANTED, dry=False) == [f"{name}_cert"]
    assert store.value(f"{name}_key") == key
    assert store.pair(name).certificate.public_key() == store.key(name).public_key()
    leaf.verify_directly_issued_by(store.pair("opensearch_ca").certificate)


def test_a_certificate_without_its_key_is_refused_by_name(store: Any) -> None:
    """No run leaves this state: someone deleted the key."""
    maker.make(store, WANTED, dry=False)
    store.remove(["edge_ca_key"])
    with pytest.raises(LookupError, match="edge_ca_cert has no key"):
        maker.make(store, WANTED, dry=False)


def test_secrets_are_encrypted_parameters(store: Any) -> None:
    """A String parameter would be readable to anyone who may read parameters."""
    maker.make(store, WANTED, dry=False)
    listed = store.ssm.describe_parameters(
        ParameterFilters=[{"Key": "Path", "Values": [store.path.rstrip("/")]}], MaxResults=50
    )
    assert {item["Type"] for item in listed["Parameters"]} == {"SecureString"}


def test_passwords_are_long_and_different() -> None:
    """40 letters and digits: 238 bits, and nothing that a shell or a file would have to quote."""
    made = {password() for _ in range(100)}
    assert len(made) == 100
    assert {len(item) for item in made} == {40}
    assert all(item.isalnum() and item.isascii() for item in made)


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> str | None:
    """Make a real TLS connection and return the protocol version."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        connection, _ = listener.accept()
        try:
            with server.wrap_socket(connection, server_side=True) as channel:
                channel.recv(1)
        except (ssl.SSLError, OSError):
            connection.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        with (
            socket.create_connection(listener.getsockname(), timeout=5) as plain,
            client.wrap_socket(plain, server_hostname=name) as channel,
        ):
            channel.sendall(b"x")
            return channel.version()
    finally:
        thread.join(timeout=5)
        listener.close()


@pytest.mark.parametrize("name", ["opensearch", "localhost", "127.0.0.1"])
def test_certificates_pass_strict_verification_both_ways(store: Any, tmp_path: Path, name: str) -> None:
    """Python 3.13 verifies strictly by default; curl would accept less."""
    maker.make(store, WANTED, dry=False)
    for secret in store.names():
        (tmp_path / secret).write_bytes(store.value(secret))
    authority = str(tmp_path / "opensearch_ca_cert")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "opensearch_node_cert", tmp_path / "opensearch_node_key")
    server.load_verify_locations(authority)
    server.verify_mode = ssl.CERT_REQUIRED
    client = ssl.create_default_context(cafile=authority)
    client.load_cert_chain(tmp_path / "opensearch_admin_cert", tmp_path / "opensearch_admin_key")
    for context in (server, client):
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    assert handshake(server, client, name) == "TLSv1.3"


def test_another_name_is_refused(store: Any, tmp_path: Path) -> None:
    """The certificate is for this node and no other."""
    maker.make(store, WANTED, dry=False)
    for secret in store.names():
        (tmp_path / secret).write_bytes(store.value(secret))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "opensearch_node_cert", tmp_path / "opensearch_node_key")
    client = ssl.create_default_context(cafile=str(tmp_path / "opensearch_ca_cert"))
    with pytest.raises(ssl.SSLCertVerificationError, match="Hostname mismatch"):
        handshake(server, client, "example.org")


@pytest.mark.parametrize("name", ["opensearch_ca", "edge_ca"])
def test_an_authority_may_sign_and_nothing_else(store: Any, name: str) -> None:
    """Each of the two authorities is self-signed."""
    maker.make(store, WANTED, dry=False)
    certificate = store.pair(name).certificate
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert usage.value.crl_sign
    assert not usage.value.digital_signature
    assert certificate.issuer == certificate.subject
    assert b"BEGIN PRIVATE KEY" in store.value(f"{name}_key")
