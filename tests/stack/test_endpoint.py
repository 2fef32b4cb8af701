"""The public endpoint answers only to its own name."""

from __future__ import annotations

import httpx
import pytest

from tests.stack.endpoint import ApiClient, Endpoint

STRANGE = "strange.example.org"


@pytest.mark.parametrize("path", ["/", "/app/", "/api/health", "/login"])
def test_another_name_is_refused_on_purpose(endpoint: Endpoint, path: str) -> None:
    """Otherwise a page under someone else's name could show ours; an empty 200 would explain nothing."""
    with endpoint.client() as http:
        reply = http.get(path, headers={"Host": STRANGE})
        assert (reply.status_code, "does not answer to that name" in reply.text) == (421, True)
        assert http.get("/api/health").status_code == httpx.codes.OK


def test_plain_http_leads_to_https_for_our_name_only(endpoint: Endpoint) -> None:
    plain = endpoint.url.replace("https://", "http://")
    with httpx.Client(base_url=plain, trust_env=False, timeout=20) as http:
        assert http.get("/").status_code == httpx.codes.PERMANENT_REDIRECT
        assert http.get("/", headers={"Host": STRANGE}).status_code == 421


def test_the_next_request_of_an_http_1_client_is_not_lost_with_a_replaced_edge(api: ApiClient) -> None:
    """An edge that is replaced during a long answer closes its connection after it."""
    assert api.http.post("/api/ask", json={}).headers["connection"] == "close"
    assert "connection" not in api.http.get("/api/health").headers
