"""Only the Gradio routes that the page needs exist, bound to the caller's login, and for no other site.

`gradio_routes.txt` lists every route of the installed Gradio as open or closed. A new version that adds a
route fails here until someone has decided.
"""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.routing import Mount

from rag_app import surface

from .conftest import Live

HERE = Path(__file__).parent
CADDYFILE = HERE.parents[2] / "compose" / "edge" / "Caddyfile.j2"
DECIDED = [line.split() for line in (HERE / "gradio_routes.txt").read_text().splitlines()]
CLOSED = [(method, path) for word, method, path in DECIDED if word == "closed"]
SECRET = "only-in-this-file-0a1b2c3d"


@pytest.fixture(scope="module")
def person(live: Live) -> Iterator[httpx.Client]:
    """A signed-in client, as an attacker with a session would be."""
    with live.person() as browser:
        yield browser


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file on the server that no page shows."""
    path = tmp_path / "secret.txt"
    path.write_text(SECRET)
    return path


def _routes(routes: Iterable[object]) -> Iterator[tuple[str, str]]:
    for route in routes:
        inner = getattr(route, "original_router", None)
        if inner is not None:
            yield from _routes(inner.routes)
        else:
            for method in getattr(route, "methods", None) or ("ANY",):
                yield method, route.path  # type: ignore[attr-defined]


def test_every_route_of_gradio_is_decided(app: FastAPI) -> None:
    mounted = next(route for route in app.routes if isinstance(route, Mount) and route.path == "/app")
    assert sorted(set(_routes(mounted.routes))) == sorted((method, path) for _, method, path in DECIDED)


@pytest.mark.parametrize(("method", "path"), CLOSED)
def test_what_the_page_does_not_need_is_not_there(
    person: httpx.Client, secret: Path, method: str, path: str
) -> None:
    for inside in (str(secret), "http://127.0.0.1:9/x") if "{" in path else ("",):
        filled = re.sub(r"\{[^}]*\}", inside, path)
        answer = person.request(method, f"/app{filled}", json={} if method == "POST" else None)
        assert answer.status_code == 404, answer.text
        assert SECRET not in answer.text
        assert method == "HEAD" or answer.json()["error"]["code"] == "not_found"


@pytest.mark.parametrize(
    "path",
    [
        "/app/assets/../gradio_api/file=/etc/passwd",
        "/app/assets/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
        "/app/assets/..%2f..%2f..%2fetc/passwd",
        "/app/assets//etc/passwd",
        "/app/assets/.hidden",
        "/app/static/..\\..\\etc\\passwd",
        "/app/gradio_api/heartbeat/../file=/etc/passwd",
        "/app/GRADIO_API/file=/etc/passwd",
        "/app//gradio_api/file=/etc/passwd",
        "/app/gradio_api/run/predict/",
        "/app/gradio_api/run/take",
        "/app/gradio_api/call/take",
    ],
)
def test_no_spelling_leads_around_the_list(live: Live, person: httpx.Client, path: str) -> None:
    # As a raw path, because the client would normalise it.
    target = httpx.URL(live.url).copy_with(raw_path=path.encode())
    for method in ("GET", "POST"):
        answer = person.request(method, target, json={} if method == "POST" else None)
        assert answer.status_code in {400, 404}, (method, answer.status_code, answer.text[:200])
        assert "root:" not in answer.text


@pytest.mark.parametrize("method", ["OPTIONS", "PUT", "DELETE", "PATCH", "TRACE"])
def test_other_methods_are_not_there(person: httpx.Client, method: str) -> None:
    for path in ("/app/", "/app/config", "/app/gradio_api/run/predict"):
        assert person.request(method, path).status_code == 404


def test_what_the_page_needs_is_served(person: httpx.Client) -> None:
    page = person.get("/app/")
    assert page.status_code == 200
    assert person.head("/app/").status_code == 200
    parts = set(re.findall(r'(?:href|src)="\./((?:assets|static)/[^"]+|theme\.css)', page.text))
    assert parts
    for path in (*parts, "config", "theme.css", "gradio_api/app_id"):
        assert person.get(f"/app/{path}").status_code == 200, path


def test_the_edge_has_the_same_list() -> None:
    """What the edge blocks is blocked twice; blocking a needed route by mistake would break the page."""
    needless = CADDYFILE.read_text().split("@needless {")[1].split("rewrite @needless")[0]
    reads, events = (set(line.split()[1:]) for line in re.findall(r"path /app/.+ .+", needless))
    open_reads = {*surface.READ, surface.DATA, f"{surface.HEARTBEAT}*", "/assets/*", "/static/*"}
    # "/app" itself is not below /app/.
    assert reads == {f"/app{path}" for path in open_reads if path}
    assert events == {f"/app{path}" for path in (surface.JOIN, surface.RUN, surface.CANCEL, surface.RESET)}


def test_unknown_path_is_a_page_for_people_and_json_for_programs(person: httpx.Client) -> None:
    browser = person.get("/app/nowhere", headers={"Accept": "text/html,*/*;q=0.8"})
    assert (browser.status_code, browser.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert 'href="/app/"' in browser.text
    assert "default-src 'none'" in browser.headers["content-security-policy"]
    program = person.get("/app/nowhere", headers={"Accept": "*/*"})
    assert (program.status_code, program.json()["error"]["code"]) == (404, "not_found")


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost:3000"])
def test_no_other_site_may_read_an_answer(person: httpx.Client, method: str, origin: str) -> None:
    asked = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    for path in ("/app/", "/app/config", "/app/gradio_api/run/predict", "/app/x", "/api/documents", "/login"):
        for headers in (asked, {"Origin": origin}):
            answer = person.request(method, path, headers=headers)
            assert not [name for name in answer.headers if name.startswith("access-control-")], path


def test_events_of_another_login_can_be_neither_read_nor_cancelled(live: Live, person: httpx.Client) -> None:
    """The client chooses its session's name, so knowing that name must not help an attacker."""
    functions = person.get("/app/config").json()["dependencies"]
    rate = next(one["id"] for one in functions if one["api_name"] == "rate")
    thumb = {"index": 1, "value": ["rd-x-0123456789abcdef"], "liked": True}
    event = {"data": [], "fn_index": rate, "event_data": thumb, "session_hash": "known"}
    joined = person.post("/app/gradio_api/queue/join", json=event).json()["event_id"]
    with live.person() as thief:
        cancel = {"event_id": "0" * 32, "fn_index": rate, "session_hash": "known"}
        assert thief.post("/app/gradio_api/cancel", json=cancel).status_code == 200
        with thief.stream("GET", "/app/gradio_api/queue/data?session_hash=known") as stolen:
            seen = next(stolen.iter_lines())
    assert joined not in seen
    assert '"session_not_found":true' in seen
    with person.stream("GET", "/app/gradio_api/queue/data?session_hash=known") as own:
        message = "".join(own.iter_lines())
    assert joined in message
    assert "this answer was deleted" in message
    assert '"success":true' in message


@pytest.mark.parametrize("name", ["", "../x", "a" * 65, "a b", "%00"])
def test_session_names_are_plain(person: httpx.Client, name: str) -> None:
    answer = person.get("/app/gradio_api/queue/data", params={"session_hash": name})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_event")
