"""A node takes new certificates while it runs; it is restarted only if no known authority can reach it."""

from __future__ import annotations

import base64
import json
import os
import ssl
import threading
from collections.abc import Iterator
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import certificates
from ansible_collections.ragdock.host.plugins.module_utils.certificates import Pair, issue
from ansible_collections.ragdock.host.plugins.module_utils.opensearch import node as running
from ansible_collections.ragdock.host.plugins.module_utils.opensearch import security as cluster
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.modules import opensearch_certificates as module

NODE = {"common_name": "opensearch", "names": ["opensearch"], "usages": ["server", "client"]}
ADMIN = {"common_name": "ragdock-admin", "usages": ["client"]}


class Signed:
    """An authority and the certificates that it signed."""

    def __init__(self) -> None:
        self.ca = issue({"common_name": "CA"}, "tried", None)
        self.admin = issue(ADMIN, "tried", self.ca).pem()

    @property
    def authority(self) -> str:
        """The certificate of the authority."""
        return str(self.ca.pem()[1])

    def node(self) -> str:
        """Create a node's file: key and certificate."""
        made: Pair = issue(NODE, "tried", self.ca)
        return "".join(made.pem())


class Engine:
    """A node with its container: a TLS server that reads its files at its start and on request."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.files = root / "secrets/opensearch"
        self.restarts = 0
        self.mounted = True
        self.context = self.fresh()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.socket = self.outer().wrap_socket(self.server.socket, server_side=True)
        self.server.handle_error = lambda *_: None  # type: ignore[method-assign]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def outer(self) -> ssl.SSLContext:
        """A context that gives each handshake the current context."""
        context = self.fresh()
        context.sni_callback = lambda connection, *_: setattr(connection, "context", self.context)
        return context

    def fresh(self) -> ssl.SSLContext:
        """A context with the current content of the files."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.files / "node.pem")
        context.load_verify_locations(self.files / "ca.pem")
        context.verify_mode = ssl.CERT_OPTIONAL
        return context

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """A handler that reloads the files for a client with a certificate."""
        engine = self

        class Handler(BaseHTTPRequestHandler):
            def do_PUT(self) -> None:
                known = bool(self.connection.getpeercert())
                if known:
                    engine.context = engine.fresh()
                self.send_response(200 if known else 403)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                pass

        return Handler

    def docker(self, words: list[str]) -> tuple[int, str, str]:
        """Answer the docker commands that the module runs."""
        if words[1] == "ps":
            return 0, "c0ffee\n", ""
        if words[1] == "restart":
            self.restarts += 1
            self.context = self.fresh()
            return 0, "", ""
        mounts = [{"Source": str(self.files)}] if self.mounted else []
        networks = {"data": {"IPAddress": "127.0.0.1"}}
        found = {"Id": "c0ffee", "Name": "/x", "Mounts": mounts, "NetworkSettings": {"Networks": networks}}
        return 0, json.dumps([found]), ""

    def bring(self, signed: Signed, files: dict[str, str] | None = None, *, check: bool = False) -> Any:
        """Run the module."""
        expected = {
            "root": str(self.root), "project": "ragdock", "timeout": 3,
            "admin_cert": signed.admin[1], "admin_key": signed.admin[0],
            "files": [
                {"path": f"opensearch/{name}", "uid": os.getuid(),
                 "content_base64": base64.b64encode(text.encode()).decode()}
                for name, text in (files or {}).items()
            ],
        }  # fmt: skip
        return module.bring(self.docker, expected, check=check)

    def shows(self) -> bytes:
        """The certificate that the server shows."""
        found: bytes = running.served("127.0.0.1", self.server.server_address[1])
        return found


@pytest.fixture
def old() -> Signed:
    """The authority before a rotation."""
    return Signed()


@pytest.fixture
def engine(tmp_path: Path, old: Signed, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """A running node."""
    files = tmp_path / "secrets/opensearch"
    files.mkdir(parents=True)
    (files / "ca.pem").write_text(old.authority)
    (files / "node.pem").write_text(old.node())
    made = Engine(tmp_path)
    real = running.served
    monkeypatch.setattr(cluster, "PORT", made.server.server_address[1])
    monkeypatch.setattr(running, "served", lambda host, port=made.server.server_address[1]: real(host, port))
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_a_new_certificate_is_served_without_a_restart(engine: Engine, old: Signed) -> None:
    """A second run changes nothing: otherwise every run would report a change."""
    new = old.node()
    message = engine.bring(old, {"node.pem": new})
    assert message == {"written": ["opensearch/node.pem"], "restarted": False, "changed": True}
    assert engine.shows() == certificates.der_of(new.encode())
    assert engine.bring(old, {"node.pem": new}) == {"written": [], "restarted": False, "changed": False}
    assert engine.restarts == 0


def test_what_a_killed_run_wrote_is_taken_by_the_next(engine: Engine, old: Signed) -> None:
    """The file is as wanted, but the node still serves the old one."""
    new = old.node()
    (engine.files / "node.pem").write_text(new)
    assert engine.bring(old)["changed"]
    assert engine.shows() == certificates.der_of(new.encode())
    assert engine.restarts == 0


def test_an_authority_changes_by_way_of_both(engine: Engine, old: Signed) -> None:
    """Each step is requested by an admin whom the node trusts at that time."""
    new = Signed()
    engine.bring(old, {"ca.pem": old.authority + new.authority})
    engine.bring(new, {"node.pem": new.node()})
    engine.bring(new, {"ca.pem": new.authority})
    assert engine.restarts == 0
    with pytest.raises(SearchError, match="another"):
        engine.bring(old)


def test_a_node_that_trusts_no_known_authority_is_restarted(engine: Engine) -> None:
    """For example after parameters were deleted by hand: everyone is already refused by it."""
    new = Signed()
    message = engine.bring(new, {"ca.pem": new.authority, "node.pem": new.node()})
    assert message["restarted"]
    assert engine.restarts == 1


def test_a_container_that_does_not_see_the_directory_is_left_to_the_next_start(
    engine: Engine, old: Signed
) -> None:
    """A container of an older release has the files of its start."""
    engine.mounted = False
    message = engine.bring(old, {"node.pem": old.node()})
    assert message == {"written": ["opensearch/node.pem"], "restarted": False, "changed": True}


def test_with_a_certificate_that_has_ended_nothing_is_asked(
    engine: Engine, old: Signed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart would fail with this certificate; the rotation must get to the new one first."""
    with monkeypatch.context() as patched:
        patched.setattr(certificates, "LEAF_LIFE", timedelta(minutes=-1))
        ended = old.node()
    assert engine.bring(old, {"node.pem": ended})["written"]
    assert engine.restarts == 0
    assert engine.bring(old, {"node.pem": old.node()})["changed"]
    assert engine.restarts == 0


def test_a_check_writes_nothing(engine: Engine, old: Signed) -> None:
    """It reports what it would write."""
    before = (engine.files / "node.pem").read_text()
    assert engine.bring(old, {"node.pem": old.node()}, check=True)["written"] == ["opensearch/node.pem"]
    assert (engine.files / "node.pem").read_text() == before
