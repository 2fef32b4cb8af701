"""How checks are evaluated and shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ragdock.host.plugins.filter.tables import verify_broken, verify_table
from ansible_collections.ragdock.host.plugins.module_utils import certificates as maker
from ansible_collections.ragdock.host.plugins.module_utils.endpoint import OWN_CA, Certificate
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    CheckError,
    Deployment,
    Row,
    judged,
    parse_env,
    rows_of,
)
from ansible_collections.ragdock.host.plugins.module_utils.verify.host import is_local, listening
from ansible_collections.ragdock.host.plugins.module_utils.verify.secrets import (
    CHUNK,
    LEAST_DAYS,
    Needle,
    certificates,
    named_in_file,
    needles,
    pieces,
)
from ansible_collections.ragdock.host.plugins.module_utils.verify.services import (
    PLUGINS,
    endpoint_ca,
    index_row,
    plugins,
    refused,
)
from tests.unit.role_files import ROLES

TCP = """\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1
   1: 00000000:01BB 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2
   2: 0A14010A:0016 0A140101:C3D2 01 00000000:00000000 00:00000000 00000000     0        0 3
"""
TCP6 = """\
  sl  local_address                         remote_address                        st
   0: 00000000000000000000000001000000:0277 00000000000000000000000000000000:0000 0A
   1: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A
"""
KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\nsecondlineofthekey\n-----END PRIVATE KEY-----\n"


def test_listening_sockets_are_read_as_the_kernel_writes_them() -> None:
    """Both address families are read. Established connections do not count, and loopback does not matter."""
    found = [*listening(TCP), *listening(TCP6)]
    assert [port for _, port in found] == [8080, 443, 631, 80]
    assert [port for address, port in found if not is_local(address)] == [443, 80]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a-password-of-32-characters-0123", ["a-password-of-32-characters-0123"]),
        ("machine localhost login ragdock_health password abcdefghijklmnopqrst", ["abcdefghijklmnopqrst"]),
        ("-----BEGIN CERTIFICATE-----\nMIIBszCCAVmgAwIBAgIUE\n-----END CERTIFICATE-----\n", []),
        (KEY, ["secondlineofthekey"]),
        ("short", []),
    ],
)
def test_only_distinctive_parts_of_a_secret_are_searched_for(text: str, found: list[str]) -> None:
    """Parts that cannot occur by chance; nothing that is public."""
    assert list(pieces(text)) == found


@pytest.mark.parametrize("left", [LEAST_DAYS + 1, LEAST_DAYS - 1, 0])
def test_a_certificate_that_ends_soon_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: int
) -> None:
    """If it is not renewed, services stop trusting each other on the day it expires."""
    secrets = tmp_path / "secrets" / "opensearch"
    secrets.mkdir(parents=True)
    (secrets / "node.key").write_text(KEY)
    for name, days in (("ca.pem", 400), ("node.pem", left)):
        # One minute more, so that the remaining days are whole.
        monkeypatch.setattr(maker, "CA_LIFE", timedelta(days=days, minutes=1))
        made = maker.issue({"common_name": name}, "test", None)
        (secrets / name).write_text(made.pem()[1])
    deployment = Deployment(tmp_path, "example.org", "ragdock", lambda _words: (0, "", ""))
    (row,) = certificates(deployment)
    assert row.passed is (left >= LEAST_DAYS)
    assert f"opensearch/node.pem ends in {left} days" in row.figure or row.passed
    assert "the first ends in 31 days (opensearch/node.pem)" in row.figure or not row.passed
    assert "ca.pem" not in row.figure


def test_a_secret_across_two_blocks_is_found(tmp_path: Path) -> None:
    """Large logs are read in blocks, and a secret may cross the border between two."""
    secret = b"a-secret-that-lies-across"
    log = tmp_path / "log"
    for before in (0, CHUNK - 10, CHUNK, 2 * CHUNK - len(secret) + 1):
        log.write_bytes(b"x" * before + secret + b"y" * 100)
        assert named_in_file(log, [Needle("s", secret)]) == {"s"}
    log.write_bytes(b"x" * (2 * CHUNK))
    assert named_in_file(log, [Needle("s", secret)]) == set()


def test_secrets_are_read_below_their_directory(tmp_path: Path) -> None:
    """A directory without secrets is an error, because the search would then find nothing."""
    with pytest.raises(CheckError, match="contains no secret"):
        needles(tmp_path)
    (tmp_path / "rag-app").mkdir()
    (tmp_path / "rag-app" / "api_token").write_text("0123456789abcdef0123\n")
    assert [one.name for one in needles(tmp_path)] == ["rag-app/api_token"]


def test_settings_are_read_without_comments() -> None:
    """Returns the names and values of an env file."""
    text = "# A=1\nB=2\n\nC='x=y'\nD=\n"
    assert dict(parse_env(text)) == {"B": "2", "C": "x=y", "D": ""}


def _deployment() -> Deployment:
    return Deployment(Path("/nonexistent"), "name", "ragdock", lambda _: (0, "", ""))


def test_a_check_that_cannot_run_fails_and_hides_nothing() -> None:
    """The other checks still run."""

    def sees(_: Deployment) -> Any:
        yield Row("a", "is seen", True, "1")

    def stumbles(_: Deployment) -> Any:
        yield Row("b", "is seen before", True, "1")
        raise CheckError("service x does not run")

    rows = rows_of(_deployment(), [("b", stumbles), ("a", sees)])
    assert [(row.area, row.passed) for row in rows] == [("b", True), ("b", False), ("a", True)]
    assert rows[1].figure == "service x does not run"


def test_offenders_take_the_place_of_the_figure() -> None:
    """A passed check shows the figure, a failed one the offenders and the hint."""
    assert judged("a", "p", [], "6 of 6", "do x") == Row("a", "p", True, "6 of 6", "")
    assert judged("a", "p", ["one", "two"], "6 of 6", "do x") == Row("a", "p", False, "one; two", "do x")


def test_the_table_shows_each_check_on_one_line() -> None:
    """Aligned, cut to the width, with failed checks easy to see."""
    rows = [
        {"area": "endpoint", "check": "p", "passed": True, "figure": "ok", "hint": ""},
        {"area": "containers", "check": "longer", "passed": False, "figure": "x\n" * 100, "hint": "do y"},
    ]
    lines = verify_table(rows).splitlines()
    assert len(lines) == 4
    assert lines[2].split() == ["endpoint", "p", "passed", "ok"]
    assert "NOT PASSED" in lines[3]
    assert lines[3].endswith("...")
    shown = verify_broken(rows)
    assert shown.startswith("1 of 2 checks failed")
    assert "-> do y" in shown
    assert "endpoint" not in shown


def edge_with(tmp_path: Path, *mounted: str) -> Deployment:
    """A deployment whose edge mounts one directory at all these paths."""
    edge = {
        "Config": {"Labels": {"com.docker.compose.service": "edge"}},
        "State": {"Status": "running"},
        "Mounts": [{"Destination": one, "Source": str(tmp_path)} for one in mounted],
    }
    return Deployment(tmp_path, "demo", "ragdock", run=lambda *_: (0, "", ""), containers=[edge])


@pytest.mark.parametrize(
    ("mounted", "files", "ca"),
    [
        (("/etc/caddy", "/etc/edge-ca"), ("edge_ca_cert",), "edge_ca_cert"),
        (("/etc/caddy",), ("acme-ca.pem",), "acme-ca.pem"),
        (("/etc/caddy", "/etc/edge-ca"), ("edge_ca_cert", "acme-ca.pem"), "edge_ca_certacme-ca.pem"),
        (("/etc/caddy",), (), ""),
    ],
)
def test_the_endpoint_is_checked_against_the_authorities_of_the_edge(
    tmp_path: Path, mounted: tuple[str, ...], files: tuple[str, ...], ca: str
) -> None:
    """Our own CA, or a private one from the settings, in addition to the public ones."""
    for file in files:
        (tmp_path / file).write_text(file)
    assert endpoint_ca(edge_with(tmp_path, *mounted)) == ca


NOW = datetime.now(UTC)


def shown(issuer: str, lifetime: timedelta, left: timedelta) -> Certificate:
    """A certificate as the endpoint shows it."""
    return Certificate(issuer, NOW + left - lifetime, NOW + left, "TLSv1.3")


@pytest.mark.parametrize(
    ("lifetime", "left", "enough"),
    [
        (timedelta(days=90), timedelta(days=29), True),
        (timedelta(days=90), timedelta(days=12), False),
        (timedelta(hours=160), timedelta(hours=50), True),
        (timedelta(hours=160), timedelta(hours=22), False),
        (timedelta(hours=3), timedelta(hours=1), True),
    ],
)
def test_a_certificate_that_was_not_renewed_in_time_is_found(
    lifetime: timedelta, left: timedelta, enough: bool
) -> None:
    """It is found while the certificate is still valid, for any lifetime."""
    assert shown("Let's Encrypt YE1", lifetime, left).enough(NOW) is enough


@pytest.mark.parametrize(
    ("issuer", "caddyfile", "said"),
    [
        (OWN_CA, "tls {\n\tissuer acme https://acme.example.org/dir {", True),
        (OWN_CA, "tls {\n\tissuer internal {", False),
        ("Let's Encrypt YE1", "tls {\n\tissuer acme https://acme.example.org/dir {", False),
    ],
)
def test_an_authority_that_refuses_is_reported(
    tmp_path: Path, issuer: str, caddyfile: str, said: bool
) -> None:
    """Using our own CA instead is no fault by itself, but users' browsers do not know it."""
    (tmp_path / "Caddyfile").write_text(caddyfile)
    certificate = shown(issuer, timedelta(hours=3), timedelta(hours=2))
    assert bool(refused(edge_with(tmp_path, "/etc/caddy"), certificate)) is said


def test_the_own_ca_is_known_by_its_name() -> None:
    """The name under which it is created."""
    made = yaml.safe_load((ROLES / "aws_secrets/defaults/main.yml").read_text())
    names = {one["name"]: one["common_name"] for one in made["aws_secrets_certificates_of_the_main_host"]}
    assert names["edge_ca"] == OWN_CA


@pytest.mark.parametrize(
    ("loaded", "wrong"),
    [
        (PLUGINS, ""),
        (PLUGINS | {"query-insights"}, "query-insights is not wanted"),
        (PLUGINS - {"opensearch-security"}, "opensearch-security is missing"),
    ],
)
def test_each_plugin_of_opensearch_that_is_surplus_or_missing_is_named(
    loaded: frozenset[str], wrong: str
) -> None:
    """The upstream plugin query-insights would keep users' questions for a week."""
    labels = {"com.docker.compose.service": "opensearch"}
    node = {"Id": "abc", "Config": {"Labels": labels}, "State": {"Status": "running"}, "Mounts": []}
    here = Deployment(
        Path("/nonexistent"), "demo", "ragdock", run=lambda _: (0, "\n".join(loaded), ""), containers=[node]
    )
    (row,) = plugins(here)
    assert row.passed is (not wrong)
    assert row.figure == (wrong or "job-scheduler, knn, neural-search, security")


def test_the_image_of_opensearch_keeps_the_plugins_that_verify_expects() -> None:
    """Otherwise each deployment would fail its own check."""
    dockerfile = (Path(__file__).parents[3] / "services/opensearch/Dockerfile").read_text()
    (kept,) = re.findall(r'^ARG PLUGINS="(.*)"$', dockerfile, re.MULTILINE)
    assert kept.split() == sorted(PLUGINS)


OLD = {"model": "all-minilm", "digest": "a" * 64, "dimension": 384}


@pytest.mark.parametrize(
    ("embedder", "weights", "left", "passed", "words"),
    [
        ("all-minilm", "a" * 64, None, True, "all-minilm, 384 dimensions, aaaaaaaaaaaa"),
        ("all-minilm", "b" * 64, None, False, "all-minilm, 384 dimensions, aaaaaaaaaaaa"),
        ("bge-m3", "b" * 64, None, False, "all-minilm"),
        ("bge-m3", "b" * 64, 12, True, "being rebuilt for bge-m3, 12 documents left"),
        ("bge-m3", "b" * 64, 0, True, "being rebuilt for bge-m3, 0 documents left"),
    ],
)
def test_another_embedders_index_passes_only_while_a_new_one_is_built(
    embedder: str, weights: str, left: int | None, passed: bool, words: str
) -> None:
    """A rebuild may take hours: site.yml and the daily check must not fail until it ends."""
    row = index_row(OLD, embedder, weights, lambda: left)
    assert row.passed == passed
    assert words in row.figure
