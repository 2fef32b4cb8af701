"""The login accepts only the right password, and does not help anyone guess it."""

import re
import time
from collections.abc import Callable
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_app.ended import EndedSessions
from rag_app.sessions import SESSION_COOKIE, LoginRateLimiter, Sessions
from rag_app.settings import AppSettings

from .conftest import PASSWORD, build, visitor

WRONG = "wrong-horse-battery-staple"


def log_in(client: TestClient, password: str = PASSWORD, **fields: str) -> httpx2.Response:
    form = client.get("/login").text
    token = re.search(r'name="token" value="([^"]+)"', form)
    given = {"user": "ragdock", "password": password, "token": token[1] if token else ""} | fields
    return client.post("/login", data=given)


def test_right_password_opens_a_session(client: TestClient) -> None:
    response = log_in(client)
    assert (response.status_code, response.headers["location"]) == (303, "/app/")
    cookie = next(c for c in response.headers.get_list("set-cookie") if c.startswith(SESSION_COOKIE))
    assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(cookie.split("; "))
    page = client.get("/app/", headers={"Accept": "text/html"})
    assert page.status_code == 200
    # The script that reloads a half-loaded page must come before anything that may fail to load.
    assert page.text.index("startOver") < page.text.index('type="module"')
    assert client.get("/api/documents").status_code == 200


@pytest.mark.parametrize("fields", [{"password": WRONG}, {"user": "admin"}, {"password": ""}])
def test_wrong_user_or_password_stays_outside(client: TestClient, fields: dict[str, str]) -> None:
    response = log_in(client, **fields)
    assert response.status_code == 401
    assert "User or password is wrong." in response.text
    assert SESSION_COOKIE not in response.cookies
    assert WRONG not in response.text


def test_form_of_another_site_is_refused(client: TestClient) -> None:
    """Otherwise an attacker could log a visitor into an account of the attacker's choice."""
    client.get("/login")
    bare = client.post("/login", data={"user": "ragdock", "password": PASSWORD})
    assert bare.status_code == 403
    client.headers["Sec-Fetch-Site"] = "cross-site"
    assert log_in(client).status_code == 403


def test_guessing_is_slowed_down_for_that_client_only(app: FastAPI, client: TestClient) -> None:
    for _ in range(5):
        assert log_in(client, WRONG).status_code == 401
    refused = log_in(client)
    assert refused.status_code == 429
    assert int(refused.headers["retry-after"]) > 200
    assert log_in(visitor(app, address="203.0.113.8")).status_code == 303


def test_a_forged_address_does_not_escape_the_rate_limiter(app: FastAPI) -> None:
    """Only the edge is trusted to report the client's address."""
    for number in range(5):
        stranger = visitor(app, peer="198.51.100.4", address=f"203.0.113.{number}")
        assert log_in(stranger, WRONG).status_code == 401
    assert log_in(visitor(app, peer="198.51.100.4", address="203.0.113.99")).status_code == 429


def test_one_ipv6_customer_is_one_client() -> None:
    limiter = LoginRateLimiter(failures=2)
    limiter.failed("2001:db8:1:2::1")
    limiter.failed("2001:db8:1:2:ffff::9")
    assert limiter.wait("2001:db8:1:2::77") > 0
    assert limiter.wait("2001:db8:1:3::1") == 0


def test_the_rate_limiter_remembers_a_bounded_number_of_clients() -> None:
    limiter = LoginRateLimiter(failures=1, clients=100)
    for number in range(300):
        limiter.failed(f"10.0.{number // 250}.{number % 250}")
    assert limiter.wait("10.0.0.0") == 0
    assert limiter.wait("10.0.1.49") > 0


def test_guesses_from_many_addresses_slow_each_other_down_but_not_the_owner() -> None:
    limiter = LoginRateLimiter(failures=5, everywhere=50)
    for number in range(50):
        assert limiter.wait(f"10.0.0.{number}") == 0
        limiter.failed(f"10.0.0.{number}")
    assert all(limiter.wait(f"10.0.0.{number}") > 0 for number in range(50))
    assert limiter.wait("198.51.100.7") == 0, "who has not failed is let in"
    assert len(limiter._all) == 50


@pytest.mark.parametrize(
    "target", ["https://evil.example/app/", "//evil.example/app/", "/app/../login", "/\\evil", "javascript:x"]
)
def test_login_leads_nowhere_else(client: TestClient, target: str) -> None:
    location = log_in(client, next=target).headers["location"]
    assert location.startswith("/app/")
    assert "evil" not in location


def test_logout_ends_the_session_also_for_a_copy_of_its_cookie(app: FastAPI, client: TestClient) -> None:
    log_in(client)
    kept = client.cookies[SESSION_COOKIE]
    assert client.post("/logout").headers["location"] == "/login"
    thief = visitor(app)
    thief.cookies.set(SESSION_COOKIE, kept)
    assert thief.get("/api/documents").status_code == 401


def test_ended_session_stays_ended_after_a_restart(make_settings: Callable[..., AppSettings]) -> None:
    before = Sessions(make_settings())
    ended, open_one = before.issue(), before.issue()
    before.end(ended)
    restarted = Sessions(make_settings())
    assert restarted.user_of(ended) is None
    assert restarted.user_of(open_one) == "ragdock"


def test_restarted_app_does_not_know_a_logged_out_cookie(make_settings: Callable[..., AppSettings]) -> None:
    settings = make_settings()
    person = visitor(build(settings))
    log_in(person)
    kept = person.cookies[SESSION_COOKIE]
    person.post("/logout")
    thief = visitor(build(settings))
    thief.cookies.set(SESSION_COOKIE, kept)
    assert thief.get("/api/documents").status_code == 401
    assert thief.get("/app/", headers={"Accept": "text/html"}).status_code == 303


def test_ended_sessions_are_forgotten_when_their_cookies_are_too_old(tmp_path: Path) -> None:
    now = 1000.0
    ended = EndedSessions(tmp_path / "ledger.sqlite3", clock=lambda: now)
    ended.add("first", seconds=10)
    now = 1020.0
    ended.add("second", seconds=10)
    assert "first" not in ended
    assert "second" in ended


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ],
)
def test_other_sites_cannot_log_out(client: TestClient, headers: dict[str, str]) -> None:
    log_in(client)
    refused = client.post("/logout", headers=headers)
    assert refused.status_code == 403
    assert "set-cookie" not in refused.headers
    assert "You are still logged in" in refused.text
    assert client.get("/api/documents").status_code == 200


def test_link_alone_does_not_log_out(client: TestClient) -> None:
    log_in(client)
    assert client.get("/logout").status_code == 200
    assert client.get("/api/documents").status_code == 200


def test_other_sites_cannot_use_the_session(client: TestClient) -> None:
    log_in(client)
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        refused = client.post("/api/search", json={"query": "x"}, headers=headers)
        assert (refused.status_code, refused.json()["error"]["code"]) == (403, "cross_site")
        assert client.post("/app/gradio_api/upload", headers=headers).status_code == 403
    assert client.delete("/api/documents/x", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 404


def test_new_password_ends_every_session(make_settings: Callable[..., AppSettings]) -> None:
    cookie = Sessions(make_settings()).issue()
    assert Sessions(make_settings()).user_of(cookie) == "ragdock"
    assert Sessions(make_settings(app_password="another-password-0123456789")).user_of(cookie) is None


def test_old_session_ends(make_settings: Callable[..., AppSettings]) -> None:
    sessions = Sessions(make_settings(session_hours=1e-9))
    assert sessions.seconds == 0
    cookie = sessions.issue()
    time.sleep(1.1)
    assert sessions.user_of(cookie) is None


def test_short_secret_is_refused(make_settings: Callable[..., AppSettings]) -> None:
    with pytest.raises(ValueError, match="session_key"):
        build(make_settings(session_key="short"))
