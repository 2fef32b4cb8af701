"""An authority is rotated with what it signed; keys and certificates match after any interruption."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from ansible_collections.ragdock.host.plugins.filter import stack
from ansible_collections.ragdock.host.plugins.lookup.aws_secrets_read import settled
from ansible_collections.ragdock.host.plugins.module_utils import certificates
from ansible_collections.ragdock.host.plugins.module_utils.secret_store import Store
from ansible_collections.ragdock.host.plugins.modules import aws_secrets_make as maker
from ansible_collections.ragdock.host.plugins.modules import rotation_store as rotation
from tests.unit.role_files import ROLES

PAIRS = yaml.safe_load((ROLES / "aws_secrets/defaults/main.yml").read_text())[
    "aws_secrets_certificates_of_the_main_host"
]
EDGE = "edge_ca"
CA, LEAVES = "opensearch_ca", ["opensearch_node", "opensearch_admin"]


class CutError(Exception):
    """Raised where the run is killed."""


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with the certificates of a deployment."""
    maker.make(store, {"passwords": [], "certificates": PAIRS, "deployment": "tried"}, dry=False)
    return store


def step(store: Store, name: str, expected: str = "", **how: Any) -> Any:
    """Run one step of the module."""
    params = {
        "step": name, "wanted": expected, "names": [CA, *LEAVES], "alone": [], "apart": [],
        "certificates": PAIRS, "deployment": "tried", "due_days": 60, "notes": {}, "crossed": [],
    }  # fmt: skip
    return rotation.step(store, params | how, dry=how.get("dry", False))


def rotate(store: Store, expected: str = "") -> Iterator[str]:
    """Take the steps in the order of roles/rotation and yield what was reached."""
    if not (begun := step(store, "begin", expected))["begun"] and not begun["promoted"]:
        return
    yield "begun"
    step(store, "promote", names=LEAVES)
    yield "signatures promoted"
    step(store, "promote", names=[CA])
    yield "authority promoted"
    step(store, "finish")
    yield "over"


def values(store: Store) -> dict[str, str]:
    """The values that a reader of the secrets receives."""
    return dict(settled({name: store.value(name).decode() for name in store.names()}))


def signed_by(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    """Return whether the authority's key made the signature."""
    try:
        certificate.verify_directly_issued_by(authority)
    except InvalidSignature:
        return False
    return True


def fits(found: dict[str, str]) -> bool:
    """Return whether each key matches its certificate and readers trust the signer of each certificate."""
    trusted = x509.load_pem_x509_certificates(found[f"{CA}_cert"].encode())
    for name in LEAVES:
        certificate = x509.load_pem_x509_certificate(found[f"{name}_cert"].encode())
        key = load_pem_private_key(found[f"{name}_key"].encode(), None)
        if certificate.public_key() != key.public_key():
            return False
        if not any(signed_by(certificate, authority) for authority in trusted):
            return False
    return True


def test_a_leaf_is_new_under_the_same_authority(filled: Store) -> None:
    """Nobody who trusts the authority has to do anything."""
    before = values(filled)
    assert list(rotate(filled, "opensearch_node")) == [
        "begun",
        "signatures promoted",
        "authority promoted",
        "over",
    ]
    after = values(filled)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"opensearch_node_key", "opensearch_node_cert"}
    assert fits(after)
    assert set(after) == set(before)


def test_an_authority_takes_with_it_what_it_signed(filled: Store) -> None:
    """A certificate that the old authority signed would be refused after its removal."""
    before = values(filled)
    list(rotate(filled, CA))
    after = values(filled)
    assert {name for name in after if after[name] != before[name]} == {
        f"{name}_{half}" for name in (CA, *LEAVES) for half in ("key", "cert")
    }
    assert fits(after)
    assert list(rotate(filled)) == []


def test_both_authorities_are_trusted_until_the_old_one_has_signed_nothing(filled: Store) -> None:
    """The order matters: trust the new authority first, then sign with it, then stop trusting the old one."""
    count = [len(x509.load_pem_x509_certificates(values(filled)[f"{CA}_cert"].encode()))]
    for _ in rotate(filled, CA):
        count.append(len(x509.load_pem_x509_certificates(values(filled)[f"{CA}_cert"].encode())))
    assert count == [1, 2, 2, 1, 1]


@pytest.mark.parametrize("expected", [CA, "opensearch_node"])
def test_a_run_that_is_cut_off_at_any_write_leaves_what_fits_and_is_completed(
    store: Store, monkeypatch: pytest.MonkeyPatch, expected: str
) -> None:
    """A reader in between (OpenSearch at its start, a deployment) gets matching keys and certificates."""
    left = 0

    def counted(real: Any) -> Any:
        def write(*arguments: Any) -> None:
            nonlocal left
            if not left:
                raise CutError
            left -= 1
            real(*arguments)

        return write

    whole = {"passwords": [], "certificates": PAIRS, "deployment": "tried"}
    for cut in range(40):
        store.remove(sorted(store.names()))
        left = -1
        maker.make(store, whole, dry=False)
        before = values(store)
        with monkeypatch.context() as patched:
            for name in ("add", "replace", "remove"):
                patched.setattr(Store, name, counted(getattr(Store, name)))
            left = cut
            try:
                list(rotate(store, expected))
            except CutError:
                pass
            else:
                assert cut > 6
                return
        assert fits(values(store)), cut
        list(rotate(store))
        after = values(store)
        assert set(after) == set(before), cut
        assert fits(after)
        # If nothing was written, the rotation had not begun.
        assert (after["opensearch_node_cert"] != before["opensearch_node_cert"]) == (cut > 0), cut
        assert list(rotate(store)) == []
    raise AssertionError("a rotation has no end")


def test_an_authority_waits_for_a_leaf_that_is_half_way(filled: Store) -> None:
    """The leaf's new certificate has the old signature, and would be refused afterwards."""
    step(filled, "begin", "opensearch_node")
    with pytest.raises(LookupError, match=r"opensearch_node is halfway.*without -e secrets"):
        step(filled, "begin", CA)
    list(rotate(filled))
    list(rotate(filled, CA))
    assert fits(values(filled))


@pytest.mark.parametrize(("days", "due"), [(59, True), (61, False)])
def test_due_are_those_that_end_soon(
    store: Store, monkeypatch: pytest.MonkeyPatch, days: int, *, due: bool
) -> None:
    """The setting is a number of days, and nothing is renewed without need."""
    monkeypatch.setattr(certificates, "LEAF_LIFE", timedelta(days=days))
    maker.make(store, {"passwords": [], "certificates": PAIRS, "deployment": "tried"}, dry=False)
    assert step(store, "begin", "due", dry=True)["begun"] == (LEAVES if due else [])


def test_a_leaf_is_not_due_under_an_authority_that_ends_itself(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A new leaf would expire with the authority and be due again the next day: the authority is due."""
    monkeypatch.setattr(certificates, "CA_LIFE", timedelta(days=40))
    maker.make(store, {"passwords": [], "certificates": PAIRS, "deployment": "tried"}, dry=False)
    assert step(store, "begin", "due", names=LEAVES, dry=True)["begun"] == []
    message = step(store, "begin", "due", dry=True)
    assert message["begun"] == [CA, *LEAVES]
    assert max(message["ends"].values()) < 60


def test_the_hosts_own_job_leaves_alone_what_an_operator_began(filled: Store) -> None:
    """The job cannot make everybody trust the new authority, and would sign with it all the same."""
    step(filled, "begin", CA)
    with pytest.raises(LookupError, match=r"opensearch_ca is incomplete.*rotate\.yml"):
        step(filled, "begin", "due", names=LEAVES, apart=[CA])


def test_no_leaf_outlives_its_authority(filled: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise its reported end would be wrong."""
    soon = datetime.now(UTC) + timedelta(days=10)
    monkeypatch.setattr(certificates, "CA_LIFE", timedelta(days=10))
    list(rotate(filled, CA))
    found = x509.load_pem_x509_certificate(filled.value("opensearch_node_cert"))
    assert abs(found.not_valid_after_utc - soon) < timedelta(minutes=1)


def test_a_client_that_trusts_the_old_authority_accepts_the_new_one(filled: Store) -> None:
    """Users cannot all switch at once; with a countersigned authority they do not have to."""
    how: dict[str, Any] = {"names": [EDGE], "alone": [EDGE], "crossed": [EDGE]}
    assert step(filled, "begin", "all", **how)["begun"] == []
    old = values(filled)
    assert stack.stack_issuer(old["edge_ca_cert"], "") == old["edge_ca_cert"]
    step(filled, "begin", EDGE, **how)
    cross = values(filled)["edge_ca_cross_next"]
    # Before the promotion the endpoint is unchanged, even where a run was interrupted after the first half.
    assert stack.stack_issuer(old["edge_ca_cert"], cross) == old["edge_ca_cert"]
    step(filled, "promote", **how)
    step(filled, "finish", **how)
    new = values(filled)
    assert set(new) - set(old) == {"edge_ca_cross"}
    shown = stack.stack_issuer(new["edge_ca_cert"], new["edge_ca_cross"])
    assert shown == cross
    first, second = (x509.load_pem_x509_certificate(one["edge_ca_cert"].encode()) for one in (old, new))
    countersigned = x509.load_pem_x509_certificate(shown.encode())
    assert signed_by(countersigned, first)
    assert countersigned.public_key() == second.public_key()
    assert countersigned.subject == second.subject
    assert stack.stack_fingerprint(new["edge_ca_cert"]) != stack.stack_fingerprint(old["edge_ca_cert"])


def test_an_endpoint_is_rotated_again_and_again(filled: Store) -> None:
    """Each new authority is countersigned by the one before it."""
    how: dict[str, Any] = {"names": [EDGE], "crossed": [EDGE]}
    for _ in range(2):
        old = filled.pair(EDGE).certificate
        for name, expected in (("begin", EDGE), ("promote", ""), ("finish", "")):
            step(filled, name, expected, **how)
        shown = stack.stack_issuer(*(values(filled)[f"edge_ca_{half}"] for half in ("cert", "cross")))
        assert signed_by(x509.load_pem_x509_certificate(shown.encode()), old)


def test_while_the_model_hosts_authority_is_rotated_the_main_host_trusts_both() -> None:
    """The model host uses the successor before the old one is replaced. Its key stays a single value."""
    values = {"model_host_ca_cert": "OLD\n", "model_host_ca_cert_next": "NEW\n", "model_host_key": "old"}
    found = settled(values | {"model_host_key_next": "new"})
    assert (found["model_host_ca_cert"], found["model_host_key"]) == ("OLD\nNEW\n", "old")
