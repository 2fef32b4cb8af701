"""The edge gets a certificate for an address: a release's Caddyfile with a real Caddy and a real authority.

The test network has public addresses that nobody owns (TEST-NET-2), so that no client counts as internal.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, TypeVar

import pytest
import requests

from ansible_collections.ragdock.host.plugins.module_utils import certificates
from ansible_collections.ragdock.host.plugins.module_utils.endpoint import (
    OWN_CA,
    Certificate,
    PublicEndpoint,
)
from sandbox import domain, images, pki
from sandbox.acme import server

from .conftest import until

ROOT = Path(__file__).parents[2]
NAME = "sandbox-test-certificates"
# This machine connects from the gateway, which is in the allowed range; the authority is not.
NETWORK, ALLOWED = "198.51.100.0/24", "198.51.100.0/30"
AUTHORITY, EDGE, ALONE = "198.51.100.5", "198.51.100.6", "198.51.100.7"
CADDY = "caddy:2.11.4"
# Half a minute instead of 160 hours (own CA: three hours), checked every second instead of every minute.
QUICK = {"renew_interval 1m": "renew_interval 1s", "lifetime 3h": "lifetime 30s"}
LIFETIMES = {"default": 7200, "shortlived": 30}
Serve = Callable[[str], "Edge"]
Got = TypeVar("Got")


def docker(*words: str, check: bool = True) -> str:
    """Run a Docker command and return its output."""
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0 or not check, done.stderr
    return done.stdout.strip() + done.stderr


def at_last(ask: Callable[[], Got], error: type[Exception], address: str) -> Got:
    """Return what a container answers as soon as it does; after a minute, fail with its log."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        with suppress(error):
            return ask()
        time.sleep(0.5)
    pytest.fail(docker("logs", f"{NAME}-{address}"))


@dataclass
class Edge:
    """An edge, and the authorities that its clients trust."""

    address: str
    authorities: str

    def certificate(self) -> Certificate:
        """Wait until the edge has a certificate, and return it."""
        asked = PublicEndpoint(self.address, self.address, 443, self.authorities, "")
        return at_last(lambda: asked.certificate(5), OSError, self.address)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of these tests' files; afterwards their containers and network are removed."""
    made = tmp_path_factory.mktemp("certificates")
    docker("network", "create", "--subnet", NETWORK, NAME)
    yield made
    for address in (AUTHORITY, EDGE, ALONE):
        docker("rm", "-f", f"{NAME}-{address}", check=False)
    docker("network", "rm", NAME)


def start(address: str, *words: str) -> None:
    """Start a container of these tests."""
    docker("run", "-d", "--name", f"{NAME}-{address}", "--network", NAME, "--ip", address, *words)


@pytest.fixture(scope="module")
def root(folder: Path) -> str:
    """The root certificate of a running authority."""
    images.ensure(print, [domain.IMAGE])
    own = folder / "acme"
    pki.ensure(own, "acme", IPv4Address(AUTHORITY), dt.datetime.now(dt.UTC))
    (own / "pebble.json").write_text(server.config(LIFETIMES))
    start(
        AUTHORITY, "-v", f"{own}:{server.CERTIFICATES}:ro", "-e", "PEBBLE_VA_NOSLEEP=1",
        "--entrypoint", "pebble", domain.IMAGE, "-config", f"{server.CERTIFICATES}/pebble.json",
    )  # fmt: skip
    return root_of(folder)


def root_of(folder: Path) -> str:
    """Return the authority's root certificate, a new one each time it starts."""
    url, ca = f"https://{AUTHORITY}:15000/roots/0", str(folder / "acme" / "ca.crt")
    return at_last(
        lambda: requests.get(url, timeout=5, verify=ca, proxies={"https": ""}).text,
        requests.RequestException,
        AUTHORITY,
    )


@pytest.fixture(scope="module")
def serve(folder: Path, root: str) -> Serve:
    """A function that starts an edge with an address, as a release configures it."""

    def run(address: str) -> Edge:
        here = folder / address
        here.mkdir()
        key, certificate = certificates.issue({"common_name": OWN_CA}, "demo", None).pem()
        for name, text in (("key", key), ("cert", certificate), ("issuer", certificate)):
            (here / f"edge_ca_{name}").write_text(text)
        shutil.copy(folder / "acme" / "ca.crt", here / "acme-ca.pem")
        render(
            here,
            ragdock_name="demo",
            ragdock_acme_directory=f"https://{AUTHORITY}:14000/dir",
            ragdock_acme_ca_file=str(here / "acme-ca.pem"),
            ragdock_allowed_cidrs=[ALLOWED],
            stack_public_address=address,
            stack_secret_values={"edge_ca_cert": certificate},
        )
        start(
            address, "-v", f"{here}:/etc/caddy:ro", "-v", f"{here}:/etc/edge-ca:ro", "--tmpfs", "/run/caddy",
            CADDY, "caddy", "run", "--config", "/etc/caddy/Caddyfile",
        )  # fmt: skip
        return Edge(address, root + certificate)

    return run


def render(here: Path, **settings: Any) -> None:
    """Write the Caddyfile of a release, with shorter times."""
    (here / "settings.json").write_text(json.dumps(settings))
    files = ("inventory/defaults.yml", "roles/stack/defaults/main.yml", "roles/stack/vars/main.yml")
    done = subprocess.run(
        [Path(sys.executable).with_name("ansible"), "localhost", "-i", "localhost,", "-c", "local",
         *(word for file in (*files, here / "settings.json") for word in ("-e", f"@{file}")),
         "-e", f"ansible_python_interpreter={sys.executable}", "-m", "ansible.builtin.template",
         "-a", f"src={ROOT}/compose/edge/Caddyfile.j2 dest={here}/Caddyfile"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    path = here / "Caddyfile"
    text = path.read_text()
    for found, quick in QUICK.items():
        text = text.replace(found, quick)
    path.write_text(text)


@pytest.fixture(scope="module")
def edge(serve: Serve) -> Edge:
    """An edge whose authority answers."""
    return serve(EDGE)


def test_an_authority_issues_for_an_address_and_the_edge_renews_in_time(edge: Edge) -> None:
    """A certificate valid for half a minute is replaced before it ends, by the same authority."""
    first = edge.certificate()
    assert "Pebble" in first.issuer
    assert (first.ends - first.begins).total_seconds() < LIFETIMES["shortlived"] + 1
    while (second := edge.certificate()) == first:
        assert dt.datetime.now(dt.UTC) < first.ends, docker("logs", f"{NAME}-{EDGE}")
        time.sleep(1)
    assert "Pebble" in second.issuer


@pytest.mark.parametrize(
    ("host", "status", "location"),
    [(EDGE, 308, f"https://{EDGE}/page?x=1"), ("elsewhere.example", 421, None)],
)
def test_port_80_leads_to_https(edge: Edge, host: str, status: int, location: str | None) -> None:
    """For clients in the allowed ranges."""
    connection = HTTPConnection(edge.address, 80, timeout=10)
    connection.request("GET", "/page?x=1", headers={"Host": host})
    answer = connection.getresponse()
    assert (answer.status, answer.getheader("Location")) == (status, location)
    connection.close()


@pytest.mark.parametrize("path", ["/", "/.well-known/acme-challenge/guessed"])
def test_port_80_answers_others_with_nothing(edge: Edge, path: str) -> None:
    """The authority got its challenge there, and issued the certificate; nothing else is answered."""
    assert "Pebble" in edge.certificate().issuer
    asked = (
        "import http.client as h; c = h.HTTPConnection('{0}', 80, timeout=10); c.request('GET', '{1}');"
        " print(c.getresponse().status)"
    )
    program = asked.format(EDGE, path)
    said = docker("exec", f"{NAME}-{AUTHORITY}", "python3", "-c", program, check=False)
    assert "RemoteDisconnected" in said


def test_the_own_ca_issues_until_the_authority_does(serve: Serve, folder: Path) -> None:
    """The last of these tests: after its restart the authority has lost all its state."""
    docker("stop", f"{NAME}-{AUTHORITY}")
    edge = serve(ALONE)
    assert edge.certificate().own
    docker("start", f"{NAME}-{AUTHORITY}")
    edge = Edge(ALONE, edge.authorities + root_of(folder))
    until(lambda: "Pebble" in edge.certificate().issuer, 60, "the authority was asked again")
