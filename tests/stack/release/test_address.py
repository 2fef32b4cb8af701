"""Without a domain: a CA issues a certificate for the address, and only allowed ranges reach the service."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from ansible_collections.ragdock.host.plugins.module_utils.endpoint import Certificate, PublicEndpoint
from tests.stack.endpoint import CHECKOUT, Endpoint, value
from tests.stack.host import Host
from tests.stack.plays import play

# Two addresses of this machine; the sandbox takes the second one for an address elsewhere.
HERE, ELSEWHERE = "127.0.0.1", "127.9.9.9"


@pytest.fixture
def settings(host: Host, tmp_path: Path) -> Iterator[Path]:
    """Settings to deploy with an ACME CA; afterwards it has its own CA and is open to all again."""
    # The edge would keep a certificate of the deployment's own CA until it is due for renewal.
    host.shell("rm -rf /opt/ragdock/data/edge/caddy/certificates")
    made = subprocess.run(
        [sys.executable, "-m", "sandbox", "authority"],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = tmp_path / "authority.yml"
    path.write_text(made.stdout + yaml.safe_dump({"ragdock_allowed_cidrs": [f"{HERE}/32"]}))
    yield path
    play("site.yml").good()


def shown(address: str, roots: str) -> Certificate:
    """Return the endpoint's certificate, as seen by a client that trusts the authority."""
    return PublicEndpoint(address, address, 443, roots, "").certificate(10)


def test_an_address_has_a_certificate_of_the_authority(settings: Path) -> None:
    """It is renewed within its five minutes. Other ranges are refused. A second run changes nothing."""
    address = str(urlsplit(value("url")).hostname)
    roots = Path(yaml.safe_load(settings.read_text())["ragdock_acme_ca_file"]).read_text()
    play("site.yml", "-e", f"@{settings}").good()
    with (
        pytest.raises(ConnectionResetError),
        socket.create_connection((address, 443), 10, source_address=(ELSEWHERE, 0)) as elsewhere,
    ):
        elsewhere.recv(1)
    assert play("site.yml", "-e", f"@{settings}").good().changed == 0
    first = shown(address, roots)
    with Endpoint(f"https://{address}", value("token"), roots).client() as http:
        assert http.get("/api/status").json()["status"] == "green"
    assert "Pebble" in first.issuer
    while (second := shown(address, roots)) == first:
        assert datetime.now(UTC) < first.ends
        time.sleep(5)
    assert "Pebble" in second.issuer
