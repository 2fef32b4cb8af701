"""Certificates change while OpenSearch runs and requests are served; only its clients restart."""

from __future__ import annotations

import datetime as dt
import signal
from http import HTTPStatus

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ansible_collections.ragdock.host.plugins.module_utils import certificates
from tests.stack.endpoint import CHECKOUT, Endpoint, value
from tests.stack.host import Host
from tests.stack.plays import Run, play
from tests.stack.rotation.node import Node
from tests.stack.rotation.programs import PER_SECOND, PLAYBOOK, Programs
from tests.stack.schedule.jobs import state
from tests.stack.soak import SOAKING

CA = "opensearch_ca"
# Phase -> the task that follows it, in which the run is killed, and which of the tasks of that name it is.
PHASES = {
    "begun": ("Read the secrets again", 1),
    "trusted": ("Promote the new values", 1),
    "signed": ("Promote the new authority", 1),
    "named": ("Render the services' configuration", 2),
    "dropping": ("Start the release", 2),
    "alone": ("Complete the rotation", 1),
}
KILLED = list(PHASES) if SOAKING else ["signed"]


@pytest.fixture(scope="module")
def node(host: Host) -> Node:
    """The deployment's OpenSearch node."""
    return Node(host, value("name"))


def pair(node: Node, name: str) -> tuple[str, str]:
    """Return a certificate and its key from the parameter store."""
    return node.secret(f"{name}_cert"), node.secret(f"{name}_key")


def test_a_new_certificate_is_served_and_nothing_restarts(endpoint: Endpoint, host: Host, node: Node) -> None:
    """Under the same authority no client has to notice the change."""
    before, started, release = node.serial(), host.started(), host.current()
    with Programs(endpoint) as programs:
        outcome = play(PLAYBOOK, "-e", "secrets=opensearch_node,opensearch_admin").good()
    assert programs.failed == []
    assert programs.good > PER_SECOND
    assert node.serial() == node.stored("opensearch_node").serial_number != before
    assert node.as_admin(node.secret(f"{CA}_cert"), *pair(node, "opensearch_admin")) == HTTPStatus.OK
    assert (host.started(), host.current()) == (started, release)
    assert node.secret("opensearch_node_key").splitlines()[1] not in outcome.output
    assert play(PLAYBOOK).good().changed == 0


def test_a_new_authority_is_trusted_before_the_old_one_is_refused(endpoint: Endpoint, node: Node) -> None:
    """Each client starts beside the one it replaces; OpenSearch itself is not restarted."""
    old_ca, old_admin, since = node.secret(f"{CA}_cert"), pair(node, "opensearch_admin"), node.since()
    before = node.serial()
    with Programs(endpoint) as programs:
        play(PLAYBOOK, "-e", f"secrets={CA}").good()
    assert programs.failed == []
    assert node.since() == since
    assert node.serial() == node.stored("opensearch_node").serial_number != before
    new_ca, new_admin = node.secret(f"{CA}_cert"), pair(node, "opensearch_admin")
    assert node.as_admin(new_ca, *new_admin) == HTTPStatus.OK
    # A client that trusts the old one rejects the node, and the node rejects what the old one signed.
    assert node.as_admin(old_ca, *new_admin) == "SSLCertVerificationError"
    assert node.as_admin(new_ca, *old_admin) == "SSLError"
    assert not [name for name in node.names() if name.endswith("_next")]
    assert play(PLAYBOOK).good().changed == 0
    assert play("playbooks/deploy.yml").good().changed == 0
    play("playbooks/verify.yml").good()


@pytest.mark.parametrize("phase", KILLED)
def test_an_authority_that_was_left_half_way_is_completed(endpoint: Endpoint, node: Node, phase: str) -> None:
    """Wherever it stopped, a deploy in between breaks nothing, and the next run completes it without `-e`."""
    old_ca, since = node.secret(f"{CA}_cert"), node.since()
    with Programs(endpoint) as programs:
        run = Run(CHECKOUT, PLAYBOOK, "-e", f"secrets={CA}")
        task, count = PHASES[phase]
        for _ in range(count):
            run.until(lambda line: line.startswith("TASK [") and task in line)
        run.send(signal.SIGKILL)
        run.end()
        play("playbooks/deploy.yml").good()
        play(PLAYBOOK).good()
    assert programs.failed == []
    assert node.since() == since
    assert node.as_admin(old_ca, *pair(node, "opensearch_admin")) == "SSLCertVerificationError"
    assert node.serial() == node.stored("opensearch_node").serial_number
    assert play(PLAYBOOK).good().changed == 0


def test_the_health_checks_password_changes_under_it(host: Host, node: Node) -> None:
    """The check has both passwords as long as either may be valid; OpenSearch stays healthy throughout."""
    old, started = node.secret("opensearch_health_password"), host.started()
    play(PLAYBOOK, "-e", "secrets=opensearch_health_password").good()
    new = node.secret("opensearch_health_password")
    assert node.as_user("ragdock_health", old) == HTTPStatus.UNAUTHORIZED
    assert node.as_user("ragdock_health", new) == HTTPStatus.OK
    assert host.healthy("opensearch")
    assert not any(node.checks())
    assert host.started() == started
    assert old not in host.run("cat", "/opt/ragdock/secrets/opensearch/os_netrc")


def test_the_hosts_own_job_renews_what_ends_soon(
    host: Host, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to remember a date two years from now."""
    key = load_pem_private_key(node.secret(f"{CA}_key").encode(), None)
    assert isinstance(key, EllipticCurvePrivateKey)
    signer = certificates.Pair(key, node.stored(CA))
    monkeypatch.setattr(certificates, "LEAF_LIFE", dt.timedelta(days=40))
    expected = {
        "common_name": "opensearch",
        "names": ["opensearch", "localhost", "127.0.0.1"],
        "usages": ["server", "client"],
    }
    ending = certificates.issue(expected, node.name, signer)
    for half, text in zip(("key", "cert"), ending.pem(), strict=True):
        node.put(f"opensearch_node_{half}", text)
    started = host.started()
    host.run("ragdock-job", "renew", seconds=600)
    found = state(host, "renew")
    assert found["ok"], found["reason"]
    assert found["figures"]["renewed"] == 1
    assert found["figures"]["first_end_days"] > 365
    assert node.serial() == node.stored("opensearch_node").serial_number != ending.certificate.serial_number
    assert host.started() == started
    host.run("ragdock-job", "renew", seconds=600)
    assert state(host, "renew")["figures"]["renewed"] == 0
    assert play(PLAYBOOK, "-e", "secrets=due").good().changed == 0


def test_a_client_that_trusts_the_old_authority_accepts_the_new_one(endpoint: Endpoint) -> None:
    """People install the CA by hand, so the old one stays valid. One handshake may fail during the change."""
    old = value("ca")
    with Programs(endpoint) as programs:
        play(PLAYBOOK, "-e", "secrets=edge_ca").good()
    assert len(programs.failed) <= 1, programs.failed
    new = value("ca")
    assert new != old
    for ca in (old, new):
        trusting = Endpoint(endpoint.url, value("token"), ca)
        with trusting.client(seconds=30) as http:
            assert http.get("/api/health").status_code == HTTPStatus.OK
    stranger = Endpoint(
        endpoint.url, value("token"), certificates.issue({"common_name": "X"}, "tried", None).pem()[1]
    )
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"), stranger.client() as http:
        http.get("/api/health")
    assert play(PLAYBOOK).good().changed == 0
    play("playbooks/verify.yml").good()
