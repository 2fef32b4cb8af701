"""Each bad upload is refused or stored safely, with an actionable reason."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

from rag_core.errors import StorageFull, UploadRefused
from rag_core.ingest.uploads import Uploads, safe_name
from rag_core.ledger import Ledger
from rag_core.models import DocumentKind, DocumentState

MakePdf = Callable[..., Path]

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture
def uploads(tmp_path: Path, ledger: Ledger) -> Uploads:
    return Uploads(tmp_path / "raw", ledger, max_bytes=2 * 2**20)


def stored(tmp_path: Path) -> list[str]:
    return sorted(str(p.relative_to(tmp_path / "raw")) for p in (tmp_path / "raw").rglob("*") if p.is_file())


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("../../etc/passwd", "passwd"),
        ("..\\..\\windows\\system.ini", "system.ini"),
        ("/absolute/path.md", "path.md"),
        ("..", "document"),
        (".hidden", "hidden"),
        ("", "document"),
        ("a\x00b\nc.txt", "a b c.txt"),
        ("evil\u202efdp.exe", "evil fdp.exe"),
        ('na<me>:|?*".txt', "na me.txt"),
        ("re\u0301sume\u0301.txt", "r\u00e9sum\u00e9.txt"),
        ("\u62a5\u544a.pdf", "\u62a5\u544a.pdf"),
        ("\ud800broken.txt", "?broken.txt".replace("?", " ").strip()),
    ],
)
def test_name_is_made_safe(given: str, kept: str) -> None:
    assert safe_name(given) == kept


@pytest.mark.parametrize("letter", ["x", "\u62a5", "\u00e9"])
def test_name_of_300_characters_fits_any_file_system_and_keeps_its_ending(letter: str) -> None:
    name = safe_name(letter * 300 + ".pdf")
    assert len(name.encode()) <= 180
    assert name.endswith(".pdf")


def test_upload_is_stored_below_uploads_and_queued(uploads: Uploads, ledger: Ledger, tmp_path: Path) -> None:
    document = uploads.accept("../n\u00f6tes.md", io.BytesIO(b"# Notes\n\ntext"))
    assert (document.state, document.name, document.kind) == (
        DocumentState.QUEUED,
        "n\u00f6tes.md",
        DocumentKind.MARKDOWN,
    )
    assert stored(tmp_path) == [f"uploads/{document.id}/n\u00f6tes.md"]
    path = ledger.path_of(document.id)
    assert path is not None
    assert path.read_bytes() == b"# Notes\n\ntext"


def test_same_file_twice_is_stored_once_under_both_names(uploads: Uploads, tmp_path: Path) -> None:
    first = uploads.accept("one.txt", io.BytesIO(b"same text"))
    second = uploads.accept("two.txt", io.BytesIO(b"same text"))
    assert first.id == second.id
    assert second.names == ("one.txt", "two.txt")
    assert len(stored(tmp_path)) == 1


@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("empty.pdf", b"", "upload_empty", "0 bytes"),
        ("blank.txt", b" \n\t\n ", "upload_empty", "blank space"),
        ("large.txt", b"word " * 600_000, "upload_too_large", "2 MiB"),
        ("picture.pdf", PNG, "upload_unsupported", "a picture; put it into a PDF"),
        ("noise.txt", b"\x00\x01\x02\x03" * 50, "upload_unsupported", "none of the kinds"),
    ],
)
def test_bad_upload_is_refused_and_leaves_nothing(
    uploads: Uploads, ledger: Ledger, tmp_path: Path, name: str, content: bytes, code: str, message: str
) -> None:
    with pytest.raises(UploadRefused, match=message) as caught:
        uploads.accept(name, io.BytesIO(content))
    assert caught.value.code == code
    assert stored(tmp_path) == []
    assert ledger.list() == []


def test_mislabelled_file_is_read_as_what_it_is(uploads: Uploads, make_pdf: MakePdf) -> None:
    pdf = make_pdf(["text"]).read_bytes()
    assert uploads.accept("report.txt", io.BytesIO(pdf)).kind is DocumentKind.PDF
    page = b"<!DOCTYPE html><html><body>hello</body></html>"
    assert uploads.accept("page.pdf", io.BytesIO(page)).kind is DocumentKind.HTML
    assert uploads.accept("words.pdf", io.BytesIO(b"just words")).kind is DocumentKind.TEXT


def test_text_in_other_encodings_is_text(uploads: Uploads) -> None:
    assert uploads.accept("u16.txt", io.BytesIO("h\u00e9llo".encode("utf-16"))).kind is DocumentKind.TEXT
    assert (
        uploads.accept("latin.txt", io.BytesIO("caf\u00e9 cr\u00e8me".encode("cp1252"))).kind
        is DocumentKind.TEXT
    )


def test_broken_off_stream_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    class Broken(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise ConnectionResetError("the browser went away")

    with pytest.raises(ConnectionResetError):
        uploads.accept("a.txt", Broken())
    assert stored(tmp_path) == []


def test_half_a_file_of_a_killed_process_is_swept_and_one_being_written_is_not(
    uploads: Uploads, tmp_path: Path
) -> None:
    being_written = uploads.begin("a.txt")
    being_written.write(b"so far")
    (tmp_path / "raw" / "uploads" / "killed.part").write_bytes(b"half")
    uploads.sweep()
    assert len(stored(tmp_path)) == 1
    document = being_written.store()
    being_written.discard()
    assert stored(tmp_path) == [f"uploads/{document.id}/a.txt"]


def test_an_upload_that_is_given_up_leaves_nothing(uploads: Uploads, tmp_path: Path) -> None:
    incoming = uploads.begin("a.txt")
    incoming.write(b"x" * 100_000)
    incoming.discard()
    assert stored(tmp_path) == []


def test_room_for_the_ledger_and_the_index_is_not_used_up(ledger: Ledger, tmp_path: Path) -> None:
    uploads = Uploads(tmp_path / "raw", ledger, max_bytes=2**20, reserve=2**60)
    with pytest.raises(StorageFull, match="are kept for the index"):
        uploads.accept("a.txt", io.BytesIO(b"words"))
    assert stored(tmp_path) == []


def test_a_ledger_that_cannot_grow_keeps_what_it_has_and_no_file_without_an_entry(
    ledger: Ledger, uploads: Uploads, tmp_path: Path
) -> None:
    """SQLite's page limit simulates a full disk: it raises the same error."""
    kept = uploads.accept("kept.txt", io.BytesIO(b"kept"))
    before = stored(tmp_path)
    [(pages,)] = ledger._read("PRAGMA page_count")
    ledger._read(f"PRAGMA max_page_count = {pages}")
    refused = 0
    for number in range(100):
        try:
            uploads.accept(f"{'n' * 150}{number}.txt", io.BytesIO(f"words {number}".encode()))
            before = stored(tmp_path)
        except StorageFull:
            refused += 1
    assert refused > 1
    assert stored(tmp_path) == before
    assert ledger.get(kept.id).name == "kept.txt"
