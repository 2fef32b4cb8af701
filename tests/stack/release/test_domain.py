"""A custom domain: the ACME CA reaches the endpoint, and requests under the name are answered."""

from __future__ import annotations

import json
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.stack.endpoint import CHECKOUT, Endpoint, value
from tests.stack.plays import play

NAME = "rag.example.org"


@pytest.fixture
def settings(tmp_path: Path) -> Iterator[Path]:
    """Settings to deploy with the domain; afterwards the deployment has none again."""
    made = subprocess.run(
        [sys.executable, "-m", "sandbox", "domain", NAME],
        cwd=CHECKOUT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    path = tmp_path / "domain.yml"
    path.write_text(made.stdout)
    yield path
    play("site.yml").good()


def alive(endpoint: Endpoint) -> bool:
    """Whether the endpoint answers at its address, with the deployment's own CA."""
    with endpoint.client() as http:
        return bool(http.get("/api/status").json()["status"] == "green")


def serial(roots: str) -> str:
    """Return the serial number of the endpoint's certificate, verified for the name and this CA."""
    with (
        socket.create_connection((NAME, 443), 10) as plain,
        ssl.create_default_context(cadata=roots).wrap_socket(plain, server_hostname=NAME) as tls,
    ):
        return str((tls.getpeercert() or {})["serialNumber"])


def test_a_domain_has_a_certificate_and_keeps_it(settings: Path, endpoint: Endpoint) -> None:
    """Every check passes with the name too. A second run changes nothing and requests no certificate."""
    play("site.yml", "-e", f"@{settings}").good()
    roots = Path(yaml.safe_load(settings.read_text())["ragdock_acme_ca_file"]).read_text()
    shown = serial(roots)
    with Endpoint(f"https://{NAME}", value("token"), roots).client() as http:
        assert "<html" in http.get("/").text
        assert http.get("/api/status").json()["status"] == "green"
    assert play("site.yml", "-e", f"@{settings}").good().changed == 0
    assert serial(roots) == shown
    # The release before is tested under its own address, with the certificate from the deployment's own CA.
    play("playbooks/rollback.yml", "-e", f"@{settings}").good()
    assert alive(endpoint)


def test_a_domain_without_a_certificate_leaves_the_release_before(settings: Path, endpoint: Endpoint) -> None:
    """It starts again, with the certificate from the deployment's own CA."""
    nobody = json.dumps({"ragdock_acme_directory": "https://127.0.0.1:9/dir", "stack_smoke_test_timeout": 30})
    refused = play("site.yml", "-e", f"@{settings}", "-e", nobody)
    refused.refused("was not deployed", "Run the smoke test", "the previous release", "smoke test passed")
    assert alive(endpoint)
