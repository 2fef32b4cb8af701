"""Documents through the API, on the real ledger."""

import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_core.models import DocumentState


def put(api: TestClient, name: str, content: bytes) -> dict[str, str]:
    response = api.post("/api/documents", files={"file": (name, io.BytesIO(content))})
    assert response.status_code == 202, response.text
    accepted: dict[str, str] = response.json()
    return accepted


def test_upload_is_queued_and_listed(api: TestClient) -> None:
    accepted = put(api, "notes.md", b"# Notes\n\nThe sky is blue.\n")
    assert accepted["state"] == "queued"
    assert set(accepted) == {"id", "state"}
    [listed] = api.get("/api/documents").json()["documents"]
    assert (listed["id"], listed["name"], listed["state"]) == (accepted["id"], "notes.md", "queued")
    assert api.get(f"/api/documents/{accepted['id']}").json() == listed
    assert {"id", "name", "state", "reason", "pages", "chunks"} <= set(listed)


def test_same_content_is_one_document_with_both_names(api: TestClient) -> None:
    first = put(api, "a.txt", b"the same words\n")
    second = put(api, "b.txt", b"the same words\n")
    assert first["id"] == second["id"]
    [listed] = api.get("/api/documents").json()["documents"]
    assert set(listed["names"]) == {"a.txt", "b.txt"}


@pytest.mark.parametrize(
    ("name", "content", "status", "code"),
    [
        ("empty.pdf", b"", 422, "upload_empty"),
        ("program.exe", b"MZ" + bytes(range(256)) * 40, 415, "upload_unsupported"),
    ],
)
def test_what_cannot_be_read_is_refused_with_a_code(
    api: TestClient, name: str, content: bytes, status: int, code: str
) -> None:
    response = api.post("/api/documents", files={"file": (name, io.BytesIO(content))})
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code
    assert api.get("/api/documents").json() == {"documents": []}


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 3 * 1024 * 1024])
def test_too_large_a_file_is_refused_and_nothing_of_it_stays(
    app: FastAPI, api: TestClient, size: int
) -> None:
    """rag_core refuses the first size, which the form limit allows; its declared length stops the second."""
    response = api.post("/api/documents", files={"file": ("big.txt", io.BytesIO(b"x" * size))})
    assert (response.status_code, response.json()["error"]["code"]) == (413, "upload_too_large")
    raw = app.state.backend.settings.ingestion_input_dir
    assert [path for path in Path(raw).rglob("*") if path.is_file()] == []


def test_undeclared_length_does_not_get_around_the_limit(api: TestClient) -> None:
    def endless() -> Iterator[bytes]:
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.txt"\r\n\r\n'
        for _ in range(64):
            yield b"x" * 65_536

    response = api.post(
        "/api/documents",
        content=endless(),
        headers={"Content-Type": "multipart/form-data; boundary=b", "Transfer-Encoding": "chunked"},
    )
    assert (response.status_code, response.json()["error"]["code"]) == (413, "upload_too_large")


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("../../etc/passwd.txt", "passwd.txt"),
        ("C:\\Users\\me\\notes.txt", "notes.txt"),
        ("n" * 300 + ".txt", None),
        ("‮txt.exe.txt", None),
        ("<script>alert(1)</script>.txt", None),
    ],
)
def test_names_are_made_harmless(app: FastAPI, api: TestClient, name: str, stored: str | None) -> None:
    accepted = put(api, name, b"harmless words\n")
    shown = api.get(f"/api/documents/{accepted['id']}").json()["name"]
    assert stored is None or shown == stored
    assert len(shown.encode()) <= 255
    assert not set(shown) & set("/\\<>‮")
    raw = Path(app.state.backend.settings.ingestion_input_dir).resolve()
    kept = app.state.backend.ledger.path_of(accepted["id"])
    assert kept is not None
    assert raw in kept.resolve().parents


def test_missing_field_is_said(api: TestClient) -> None:
    response = api.post("/api/documents", files={"document": ("a.txt", io.BytesIO(b"x"))})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "invalid_request")
    assert "file" in response.json()["error"]["message"]


def test_deleted_document_is_gone_at_once(api: TestClient) -> None:
    accepted = put(api, "a.txt", b"soon gone\n")
    assert api.delete(f"/api/documents/{accepted['id']}").status_code == 204
    for method in ("GET", "DELETE"):
        response = api.request(method, f"/api/documents/{accepted['id']}")
        assert (response.status_code, response.json()["error"]["code"]) == (404, "document_not_found")
    assert api.get("/api/documents").json() == {"documents": []}
    assert put(api, "a.txt", b"soon gone\n")["state"] == "queued"


def test_a_failed_document_shows_why_and_can_be_retried(app: FastAPI, api: TestClient) -> None:
    accepted = put(api, "a.txt", b"unlucky\n")
    ledger = app.state.backend.ledger
    assert ledger.claim("test", 60.0) is not None
    ledger.fail(accepted["id"], "test", code="pdf_encrypted", reason="It is locked with a password.")
    failed = api.get(f"/api/documents/{accepted['id']}").json()
    assert (failed["state"], failed["code"], failed["reason"]) == (
        "failed",
        "pdf_encrypted",
        "It is locked with a password.",
    )
    assert api.get("/api/documents", params={"state": "failed"}).json()["documents"] == [failed]
    assert api.post(f"/api/documents/{accepted['id']}/retry").json()["state"] == "queued"
    assert ledger.counts()[DocumentState.FAILED] == 0


def test_list_can_be_searched_and_paged(api: TestClient) -> None:
    for number in range(5):
        put(api, f"report-{number}.txt", f"words {number}\n".encode())
    put(api, "letter.txt", b"dear all\n")
    found = api.get("/api/documents", params={"search": "REPORT", "limit": 2, "offset": 1}).json()[
        "documents"
    ]
    assert [document["name"] for document in found] == ["report-3.txt", "report-2.txt"]


def test_tags_are_set_listed_and_gone_with_the_document(app: FastAPI, api: TestClient) -> None:
    accepted = put(api, "a.txt", b"tagged\n")
    path = f"/api/documents/{accepted['id']}"
    assert api.get(path).json()["tags"] == []
    assert api.put(f"{path}/tags", json={"tags": ["Field  Notes", "b"]}).json() == {
        "tags": ["b", "field notes"]
    }
    assert api.get(path).json()["tags"] == ["b", "field notes"]
    assert api.get("/api/documents").json()["documents"][0]["tags"] == ["b", "field notes"]
    assert api.put(f"{path}/tags", json={"tags": ["x"] * 13}).status_code == 422
    assert api.put("/api/documents/gone/tags", json={"tags": []}).status_code == 404
    assert api.delete(path).status_code == 204
    assert app.state.backend.tags.of([accepted["id"]]) == {}
