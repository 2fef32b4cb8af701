"""A run gets a registry token and asks what was pushed; nobody else sees the token that docker uses."""

from __future__ import annotations

import base64
import json
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from ansible_collections.ragdock.host.plugins.module_utils import registry
from ansible_collections.ragdock.host.plugins.module_utils.aws import session
from ansible_collections.ragdock.host.plugins.module_utils.certificates import issue
from ansible_collections.ragdock.host.plugins.module_utils.registry import (
    Login,
    RegistryError,
    ecr_token,
    logged_in,
    pushed,
    region_of,
    registry_of,
)
from ansible_collections.ragdock.host.plugins.modules.image_build import login
from tests.local_aws import local_aws

PUSHED = "/v2/ragdock/demo/edge/manifests/"
REGISTRY = "123456789012.dkr.ecr.eu-central-1.amazonaws.com"


def test_the_hosts_role_gets_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local AWS accepts any keys."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    with local_aws() as address:
        assert ecr_token("eu-central-1", address)


def test_a_host_without_a_role_is_reported_with_the_fix(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its metadata service answers but has no credentials."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
    with pytest.raises(RegistryError, match=r"no role credentials.*provision\.yml attaches"):
        ecr_token("eu-central-1", "http://127.0.0.1:9")


def test_a_refused_token_names_the_right(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message contains ECR's own."""

    class Refusing:
        def get_authorization_token(self) -> None:
            raise ClientError({"Error": {"Message": "not authorized"}}, "GetAuthorizationToken")

    monkeypatch.setattr(session, "host_client", lambda *_: Refusing())
    with pytest.raises(RegistryError, match=r"not authorized.*ecr:GetAuthorizationToken"):
        ecr_token("eu-central-1", "")


def test_docker_gets_the_token_from_its_own_environment_only() -> None:
    with logged_in(REGISTRY, "the-token") as environment:
        home = Path(environment["DOCKER_CONFIG"])
        answer = subprocess.run(
            ["docker-credential-ragdock", "get"],
            input=REGISTRY,
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(answer.stdout) == {"ServerURL": REGISTRY, "Username": "AWS", "Secret": "the-token"}
        assert all("the-token" not in path.read_text() for path in home.iterdir())
        assert json.loads((home / "config.json").read_text()) == {"credHelpers": {REGISTRY: "ragdock"}}
        assert home.stat().st_mode & 0o077 == 0
    assert not home.exists()


def test_registry_and_region_stand_in_the_reference() -> None:
    ref = f"{REGISTRY}/ragdock/demo/edge@sha256:0"
    assert (registry_of(ref), region_of(registry_of(ref))) == (REGISTRY, "eu-central-1")


def test_another_registry_is_refused() -> None:
    with pytest.raises(RegistryError, match=r"registry\.example\.org is not an ECR registry"):
        region_of("registry.example.org")


class Handler(BaseHTTPRequestHandler):
    """A registry that has one image and knows one password."""

    def do_GET(self) -> None:
        known = self.headers["Authorization"] == f"Basic {base64.b64encode(b'AWS:right').decode()}"
        there = self.path == f"{PUSHED}pushed"
        body = json.dumps({"layers": [{"size": 40}, {"size": 2}]}).encode()
        self.send_response((200 if there else 500 if "broken" in self.path else 404) if known else 403)
        self.send_header("Docker-Content-Digest", "sha256:abc")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a registry whose own authority Docker knows."""
    authority = issue({"common_name": "CA"}, "tried", None)
    leaf = issue(
        {"common_name": "localhost", "names": ["localhost"], "usages": ["server"]}, "tried", authority
    )
    (tmp_path / "leaf.pem").write_text("".join(leaf.pem()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(tmp_path / "leaf.pem")
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    name = f"localhost:{server.server_address[1]}"
    (tmp_path / name).mkdir()
    (tmp_path / name / "ca.crt").write_text(authority.pem()[1])
    monkeypatch.setattr(registry, "CERTIFICATES", tmp_path)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield name
    server.shutdown()
    server.server_close()


def test_a_pushed_image_is_named_by_its_digest(served: str) -> None:
    """The size is that of all layers; an image that was not pushed is no error."""
    found = pushed(Login(served, "right"), "ragdock/demo/edge", "pushed")
    assert found == {"ref": f"{served}/ragdock/demo/edge@sha256:abc", "tag": "pushed", "size": 42}
    assert pushed(Login(served, "right"), "ragdock/demo/edge", "another") is None


def test_a_registry_that_does_not_say_is_no_missing_image(served: str) -> None:
    """Otherwise every image would be built again."""
    with pytest.raises(RegistryError, match=r"refuses this machine's login.*403.*operator\.json"):
        pushed(Login(served, "wrong"), "ragdock/demo/edge", "pushed")
    with pytest.raises(RegistryError, match=r"did not answer whether ragdock/demo/edge:broken exists: 500"):
        pushed(Login(served, "right"), "ragdock/demo/edge", "broken")
    with pytest.raises(RegistryError, match=r"localhost:1 does not answer: .*reachable from this machine"):
        pushed(Login("localhost:1", "right"), "ragdock/demo/edge", "pushed")


def test_an_operator_logs_in_with_their_own_rights(monkeypatch: pytest.MonkeyPatch) -> None:
    """To the registry of the deployment's repositories; one that is missing is reported with the fix."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "local")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "local")
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    with local_aws() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(RegistryError, match=r"did not answer for ragdock/demo/edge: .*provision\.yml"):
            login("ragdock/demo/edge")
        session.clients()("ecr").create_repository(repositoryName="ragdock/demo/edge")
        by = login("ragdock/demo/edge")
    assert (by.registry, bool(by.password)) == (REGISTRY, True)
