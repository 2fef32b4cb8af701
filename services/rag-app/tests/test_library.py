"""The library's table and its uploads, on the real ledger."""

from io import BytesIO

from fastapi import FastAPI

from rag_app.backend import Backend
from rag_app.ui.library import act_on, ingestion_html, library_html
from rag_core.models import Ingestion, ReadingReport


def _bring(backend: Backend, **content: bytes) -> None:
    for name, words in content.items():
        backend.uploads.accept(f"{name}.txt", BytesIO(words))


def test_empty_library_invites(app: FastAPI) -> None:
    assert "No documents yet" in library_html(app.state.backend, "")


def test_each_state_shows_what_matters(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    _bring(backend, ready=b"one\n", failed=b"two\n", processing=b"three\n", queued=b"four\n")
    ids = {document.name: document.id for document in backend.ledger.list()}
    for name in ("ready.txt", "failed.txt", "processing.txt"):
        job = backend.ledger.claim("test", 60.0)
        assert job is not None
        assert job.document.name == name
        if name == "ready.txt":
            backend.ledger.ready(ids[name], "test", pages=113, chunks=1240)
        elif name == "failed.txt":
            backend.ledger.fail(ids[name], "test", code="broken", reason="The file is <cut> short.")
        else:
            backend.ledger.progress(ids[name], "test", lease_seconds=60.0, pages=40, pages_done=10, chunks=33)
    shown = library_html(backend, "")
    assert "4 documents" in shown
    assert "113 pages · 1,240 chunks" in shown
    assert "The file is &lt;cut&gt; short." in shown
    assert shown.count('data-action="retry"') == 1
    assert shown.count('data-action="delete"') == 4
    assert '<progress max="40" value="10"' in shown
    assert "10 of 40 pages, 33 chunks" in shown
    only = library_html(backend, "", "failed")
    assert "failed.txt" in only
    assert "ready.txt" not in only
    assert "4 documents" in only


def test_a_document_that_was_read_in_part_says_so_and_names_the_parts(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    _bring(backend, scan=b"one\n", whole=b"two\n")
    scan, whole = backend.ledger.claim("test", 60.0), backend.ledger.claim("test", 60.0)
    assert scan is not None
    assert whole is not None
    report = ReadingReport(
        parts={"table": 3},
        remarks=("attachment a<b>.txt was read as part of this document",),
        unread=("page 3: a picture without text",),
        more=2,
    )
    backend.ledger.ready(scan.document.id, "test", pages=4, chunks=9, report=report)
    backend.ledger.ready(
        whole.document.id, "test", pages=1, chunks=1, report=ReadingReport(parts={"table": 1})
    )
    shown = library_html(backend, "")
    assert shown.count("Ready, with notes") == 1
    assert "4 pages · 3 tables · 9 chunks" in shown
    assert shown.count("<details") == 1
    assert "1 part not read" in shown
    assert '<li dir="auto">Page 3: a picture without text</li>' in shown
    assert "a&lt;b&gt;.txt was read as part of this document" in shown
    assert "And 2 more notes" in shown


def test_search_narrows_and_says_when_nothing_is_found(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    _bring(backend, a=b"one\n", b=b"two\n")
    assert "b.txt" not in library_html(backend, "a.t")
    assert "No document has “&lt;x&gt;” in its name or tags." in library_html(backend, "<x>")
    assert "No document in this state." in library_html(backend, "", "failed")


def test_same_content_shows_all_its_names(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    _bring(backend, first=b"same\n", second=b"same\n")
    backend.uploads.accept("third & last.txt", BytesIO(b"same\n"))
    shown = library_html(backend, "")
    assert "1 document" in shown
    assert shown.count('class="rd-doc"') == 1
    assert "The same content as second.txt, third &amp; last.txt" in shown


def test_tags_are_shown_searched_and_go_with_the_document(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    _bring(backend, a=b"one\n", b=b"two\n")
    ids = {document.name: document.id for document in backend.ledger.list()}
    assert act_on(backend, "tag", ids["a.txt"], "Field notes, <b>x</b>") == ""
    shown = library_html(backend, "field")
    assert "a.txt" in shown
    assert "b.txt" not in shown
    assert 'data-find="field notes"' in shown
    assert "&lt;b&gt;x&lt;/b&gt;" in shown
    assert "No document in this state" not in library_html(backend, "field", "queued")
    assert act_on(backend, "delete", ids["a.txt"]) == ""
    assert backend.tags.holding("field") == []


def test_a_refused_button_says_why(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    for action, expected in (("retry", "gone<b>"), ("delete", "gone"), ("tag", "gone")):
        refused = act_on(backend, action, expected)
        assert 'role="alert"' in refused, (action, expected)
        assert "<b>" not in refused


def test_how_far_reading_is_stands_in_one_line(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    assert ingestion_html(backend.ledger.ingestion()) == ""
    message = ingestion_html(
        Ingestion(
            documents_left=3,
            pages_in_hand=400,
            pages_in_hand_done=120,
            chunks_left=900,
            documents_per_minute=1,
            pages_per_minute=60,
            chunks_per_minute=300,
            seconds_left=180,
            paused="Ollama <is> away",
        )
    )
    for part in (
        "3 documents left",
        "120 of 400 pages in hand",
        "about 900 chunks to go",
        "60 pages and 300 chunks a minute",
        "about 3 minutes left",
        "waits: Ollama &lt;is&gt; away",
    ):
        assert part in message
    _bring(backend, a=b"one\n")
    assert "1 document left" in ingestion_html(backend.ledger.ingestion())


def test_names_run_in_the_direction_of_their_script(app: FastAPI) -> None:
    _bring(app.state.backend, a=b"one\n")
    assert 'class="rd-name" dir="auto"' in library_html(app.state.backend, "")
