"""Someone signed in, or another site's page that he visits: he may change documents, not the machine."""

from __future__ import annotations

import pytest

from tests.stack import papers
from tests.stack.endpoint import ApiClient
from tests.stack.host import Host

NAMES = [
    "../../../etc/cron.d/evil",
    "/etc/passwd",
    "..\\..\\evil.txt",
    "a/../../b.txt",
    "\u202etxt.exe",
    "con\x1b[2J.txt",
]
PATHS = [
    "../../../etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2e%2e/%2e%2e/secret",
    "x%00y",
    "a" * 3000,
    "*",
    "'",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_files_name_leads_nowhere(
    api: ApiClient, host: Host, bin_of_documents: list[str], name: str
) -> None:
    """It becomes a name without directories, or is refused; nothing is written outside the documents."""
    reply = api.upload(name, papers.story(papers.word()).encode())
    assert reply.status_code in (202, 400, 415, 422), reply.text
    if reply.status_code == 202:
        bin_of_documents.append(reply.json()["id"])
        shown = api.document(bin_of_documents[-1])["name"]
        assert not any(one in shown for one in ("/", "\\", "\x1b", "..", "\u202e")), shown
    look = "find /etc /opt/ragdock /tmp -path /opt/ragdock/data/raw -prune -o -name '*evil*' -print"
    assert host.shell(look) == ""


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("end", ["", "/original", "/pages/1"])
def test_an_id_leads_to_documents_only(api: ApiClient, path: str, end: str) -> None:
    reply = api.http.get(f"/api/documents/{path}{end}")
    assert reply.status_code in (307, 308, 400, 401, 404, 414, 422), reply.text[:200]
    assert "root:" not in reply.text
