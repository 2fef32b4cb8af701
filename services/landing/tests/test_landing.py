"""The landing service as seen by a visitor and by the edge."""

import csv
import re
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from pydantic import ValidationError

from landing.app import create_app
from landing.settings import LandingSettings


def _app(tmp_path: Path, **settings: object) -> FastAPI:
    given = {"analytics_csv_path": tmp_path / "analytics.csv", "edge_host": "localhost", **settings}
    return create_app(LandingSettings(**given))  # type: ignore[arg-type]


def _visitor(app: FastAPI, peer: str = "127.0.0.1") -> TestClient:
    return TestClient(app, client=(peer, 4242), follow_redirects=False)


def _rows(tmp_path: Path) -> list[list[str]]:
    return list(csv.reader((tmp_path / "analytics.csv").read_text().splitlines()))


def test_page_is_small_and_needs_nothing_else(tmp_path: Path) -> None:
    response = _visitor(_app(tmp_path)).get("/")
    assert response.status_code == 200
    assert len(response.content) < 50_000
    # The only URL in it is the XML namespace of the inline icon.
    assert set(re.findall(r"https?://[^\"' >]+", response.text)) <= {"http://www.w3.org/2000/svg"}
    assert 'action="/events/launch"' in response.text


def test_page_is_not_sent_twice(tmp_path: Path) -> None:
    visitor = _visitor(_app(tmp_path))
    etag = visitor.get("/").headers["etag"]
    assert visitor.get("/", headers={"If-None-Match": etag}).status_code == 304


def test_launch_is_written_and_leads_to_the_app(tmp_path: Path) -> None:
    response = _visitor(_app(tmp_path)).post(
        "/events/launch", headers={"X-Forwarded-For": "6.6.6.6, 203.0.113.77"}
    )
    assert (response.status_code, response.headers["location"]) == (303, "/app/")
    assert [row[1:] for row in _rows(tmp_path)] == [
        ["user_ip", "action"],
        ["203.0.113.0/24", "LaunchAppClicked"],
    ]


def test_address_is_kept_whole_only_when_asked_for(tmp_path: Path) -> None:
    _visitor(_app(tmp_path, analytics_whole_address=True)).post(
        "/events/launch", headers={"X-Forwarded-For": "203.0.113.77"}
    )
    assert _rows(tmp_path)[1][1] == "203.0.113.77"


def test_only_the_edge_is_believed_about_the_client(tmp_path: Path) -> None:
    _visitor(_app(tmp_path), peer="198.51.100.9").post(
        "/events/launch", headers={"X-Forwarded-For": "203.0.113.77"}
    )
    assert _rows(tmp_path)[1][1] == "198.51.100.0/24"


def test_switch_turns_analytics_off(tmp_path: Path) -> None:
    response = _visitor(_app(tmp_path, count_launches=False)).post("/events/launch")
    assert response.status_code == 303
    assert not (tmp_path / "analytics.csv").exists()


def test_unwritable_file_never_keeps_a_visitor_out(tmp_path: Path) -> None:
    app = _app(tmp_path, analytics_csv_path=tmp_path / "missing" / "analytics.csv")
    assert _visitor(app).post("/events/launch").status_code == 303


@pytest.mark.parametrize(
    ("provider", "identity", "expected"),
    [
        ("plausible", "docs.example.org", "https://plausible.io/js/script.js"),
        ("google", "G-AB12CD34EF", "https://www.googletagmanager.com/gtag/js?id=G-AB12CD34EF"),
    ],
)
def test_provider_script_is_there_only_when_asked_for(
    tmp_path: Path, provider: str, identity: str, expected: str
) -> None:
    with_script = _visitor(
        _app(tmp_path, analytics_enabled=True, analytics_provider=provider, analytics_id=identity)
    ).get("/")
    assert expected in with_script.text
    assert expected.split("/js")[0].split("/gtag")[0] in with_script.headers["content-security-policy"]
    assert expected not in _visitor(_app(tmp_path)).get("/").text


def test_google_is_set_to_store_nothing_before_any_event(tmp_path: Path) -> None:
    page = (
        _visitor(
            _app(tmp_path, analytics_enabled=True, analytics_provider="google", analytics_id="G-AB12CD34EF")
        )
        .get("/")
        .text
    )
    assert "analytics_storage:'denied'" in page
    assert "client_storage:'none'" in page
    assert page.index("gtag('consent','default'") < page.index("gtag('config'")


@pytest.mark.parametrize(
    ("provider", "identity"),
    [
        ("plausible", ""),
        ("plausible", 'x.org"><script>'),
        ("google", "UA-12345-6"),
        ("google", "G-1');alert(1)//"),
        ("matomo", "1"),
    ],
)
def test_bad_provider_settings_are_refused(tmp_path: Path, provider: str, identity: str) -> None:
    with pytest.raises(ValidationError, match=r"(?i)analytics_(id|provider)"):
        _app(tmp_path, analytics_enabled=True, analytics_provider=provider, analytics_id=identity)


@pytest.mark.parametrize("url", ["//evil.example", "javascript:alert(1)", "app", "/a b", "/\\evil.example"])
def test_bad_app_url_is_refused(tmp_path: Path, url: str) -> None:
    with pytest.raises(ValidationError, match="APP_URL"):
        _app(tmp_path, app_url=url)


def test_health_and_unknown_page(tmp_path: Path) -> None:
    visitor = _visitor(_app(tmp_path))
    assert visitor.get("/health").json() == {"status": "ok"}
    missing = visitor.get("/nothing")
    assert missing.status_code == 404
    assert "Traceback" not in missing.text


def test_policy_allows_exactly_the_inline_parts(tmp_path: Path) -> None:
    response = _visitor(_app(tmp_path)).get("/")
    policy = response.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-inline" not in policy
    assert policy.count("'sha256-") == 2
