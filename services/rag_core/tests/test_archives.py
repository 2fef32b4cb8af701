"""Archives in documents: their files are read or reported, and their declared sizes are not trusted."""

from __future__ import annotations

import io
import resource
import stat
import struct
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core.errors import UploadRefused
from rag_core.extract import Block, BlockKind, Note, Parser
from rag_core.extract.attached import attached
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests import office, pdfs

TEXT = "The keeper climbs 212 steps."
LIMITS = pdfs.LIMITS


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def packed(*files: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as archive:
        for name, content in files:
            archive.writestr(name, content, method)
    return made.getvalue()


def link(name: str, target: str) -> tuple[zipfile.ZipInfo, bytes]:
    entry = zipfile.ZipInfo(name)
    entry.create_system, entry.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return entry, target.encode()


def read(parser: Parser, path: Path, content: bytes) -> tuple[str, list[Note]]:
    """Text and notes of a file; one named all.zip is attached to a mail first."""
    data = content if path.name != "all.zip" else office.mail("See the files.", {"all.zip": content})
    path.write_bytes(data)
    items = list(parser.parse(path, sniff(path, path.name)))
    text = "\n".join(item.text for item in items if isinstance(item, Block))
    return text, [item for item in items if isinstance(item, Note)]


def unread(notes: list[Note]) -> str:
    return "\n".join(note.message for note in notes if not note.read)


@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx", "epub", "eml"])
def test_files_of_an_attached_archive_are_read(parser: Parser, tmp_path: Path, kind: str) -> None:
    content = packed((f"oil/report.{kind}", office.whole(kind, TEXT)), ("oil/b.txt", b"Colza oil burns."))
    text, notes = read(parser, tmp_path / "all.zip", content)
    assert TEXT in text
    assert "Colza oil burns." in text
    assert f"Attachment: all.zip/oil/report.{kind}" in text
    assert not unread(notes)


def test_files_of_an_archive_in_a_pdf_are_read(parser: Parser, tmp_path: Path) -> None:
    data = pdfs.with_files([("all.zip", packed(("a.txt", TEXT.encode())))], pdfs.said("Cover", 40, 700))
    assert TEXT in read(parser, tmp_path / "x.pdf", data)[0]


def test_archives_within_archives_are_read_to_a_depth(parser: Parser, tmp_path: Path) -> None:
    content = packed(("innermost.txt", b"innermost"))
    for depth in range(6):
        content = packed((f"{depth}.txt", f"depth {depth}".encode()), (f"{depth}.zip", content))
    text, notes = read(parser, tmp_path / "all.zip", content)
    assert ("depth 5" in text, "depth 3" in text) == (True, True)
    assert ("depth 2" in text, "innermost" in text) == (False, False)
    assert "too deep within other archives" in unread(notes)


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (link("passwd", "/etc/passwd"), "all.zip/passwd was not read: it is a symbolic link"),
        (("core", b"\x7fELF" + bytes(60)), "is a program"),
        (("photo.jpg", b"\xff\xd8\xff\xe0" + bytes(60)), "is a picture"),
        (("disk.bin", b"\0\1\2\3" * 60), "neither text nor known"),
        (("empty.txt", b""), "the file is empty"),
        (("all.7z", b"7z\xbc\xaf'\x1c" + bytes(60)), "an archive; unpack it"),
        (("all.tar", bytes(257) + b"ustar" + bytes(250)), "an archive; unpack it"),
        (("old.doc", pdfs.pdf(["<<>>"])[:4] + b"\0" * 99), "neither text nor known"),
    ],
    ids=["link", "program", "picture", "binary", "empty", "7z", "tar", "broken"],
)
def test_what_is_not_read_of_an_archive_is_named(
    parser: Parser, tmp_path: Path, entry: tuple[str | zipfile.ZipInfo, bytes], expected: str
) -> None:
    text, notes = read(parser, tmp_path / "all.zip", packed(entry, ("a.txt", TEXT.encode())))
    assert expected in unread(notes)
    assert expected in text
    assert TEXT in text
    assert "root:" not in text


@pytest.mark.parametrize("name", ["/etc/cron.d/evil.txt", "../../evil.txt", "C:\\evil.txt", "\u202egnp.txt"])
def test_names_of_an_archive_are_shown_and_never_used(parser: Parser, tmp_path: Path, name: str) -> None:
    """A program that unpacks the archive would write a file of that name somewhere else."""
    before = {*tmp_path.parent.rglob("*")}
    text, notes = read(parser, tmp_path / "all.zip", packed((name, TEXT.encode())))
    assert TEXT in text
    assert not unread(notes)
    assert {*tmp_path.parent.rglob("*")} - before == {tmp_path / "all.zip"}
    assert "\u202e" not in text


def test_an_archive_that_is_locked_or_damaged_costs_only_itself(parser: Parser, tmp_path: Path) -> None:
    whole = packed(("a.txt", TEXT.encode() * 40), ("b.txt", b"Colza oil burns."))
    locked = unread(read(parser, tmp_path / "all.zip", office.locked(whole))[1])
    assert locked.count("it is locked with a password; unpack the archive, and add the file") == 2
    text, notes = read(parser, tmp_path / "all.zip", office.corrupted(whole, "a.txt"))
    assert "all.zip/a.txt was not read: it is damaged" in unread(notes)
    assert "Colza oil burns." in text
    assert "See the files." in text


def untrue(content: bytes, claimed: int) -> bytes:
    """The same archive, with its only file claiming to unpack to this size."""
    data, size = bytearray(content), struct.pack("<I", claimed)
    at = content.find(b"PK\x01\x02")
    data[at + 24 : at + 28] = size
    data[22:26] = size
    return bytes(data)


BOMBS = {
    "one large file": packed(("zeros.txt", bytes(200 << 20))),
    "many large files": packed(*((f"{n}.bin", bytes(20 << 20)) for n in range(9))),
    "a size that is not true": untrue(packed(("zeros.txt", bytes(200 << 20))), 1000),
    "of another method": packed(("zeros.txt", bytes(200 << 20)), method=zipfile.ZIP_LZMA),
    "many files": packed(*((f"{n}.txt", b"A short text.") for n in range(3000))),
    "within an archive": packed(("inner.zip", packed(*((f"{n}.txt", bytes(30 << 20)) for n in range(30))))),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_an_archive_that_unpacks_to_too_much_is_named_and_costs_little(
    parser: Parser, tmp_path: Path, bomb: str
) -> None:
    started = time.monotonic()
    text, notes = read(parser, tmp_path / "all.zip", BOMBS[bomb])
    assert "See the files." in text
    assert unread(notes)
    assert len(notes) < 120
    assert time.monotonic() - started < 30


def test_a_file_for_which_the_disk_has_no_room_costs_only_itself() -> None:
    """Nested files are copied next to each other to a memory disk of 64 MiB."""

    def reader(path: Path, kind: DocumentKind) -> Iterator[Block]:
        yield Block(BlockKind.TEXT, f"{path.stat().st_size} bytes", 1)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4000, before[1]))
    try:
        large = list(attached(b"x" * 5000, "large.txt", reader, 1))
        small = list(attached(b"x" * 3000, "small.txt", reader, 1))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert "attachment large.txt was not read: there is no room" in unread(
        [i for i in large if isinstance(i, Note)]
    )
    assert "3000 bytes" in [item.text for item in small if isinstance(item, Block)]


def test_a_table_of_parts_that_would_fill_memory_is_not_read(tmp_path: Path) -> None:
    """Uploads are sniffed on arrival: a few MiB on disk would take hundreds in memory."""
    entry = b"PK\x01\x02" + bytes(24) + struct.pack("<HHH", 1, 0, 0) + bytes(12) + b"a"
    entries = entry * 200_000
    end = b"PK\x05\x06" + struct.pack("<HHHHIIH", 0, 0, 65535, 65535, len(entries), 0, 0)
    path = tmp_path / "many.zip"
    path.write_bytes(b"PK\x03\x04" + entries + end)
    started = time.monotonic()
    with pytest.raises(UploadRefused, match="more parts than any document has"):
        sniff(path, path.name)
    assert time.monotonic() - started < 0.5


@pytest.mark.parametrize(
    ("beginning", "message"),
    [
        (b"PK\x07\x08PK\x03\x04", "one of several parts of an archive"),
        (b"PK00PK\x03\x04", "one of several parts of an archive"),
        (b"]\0\0\x80\0", "an archive; unpack it"),
        (b"\xc7\x71", "an archive; unpack it"),
        (b"\xff\x06\0\0sNaPpY", "an archive; unpack it"),
        (b"7z\xbc\xaf'\x1c", "an archive; unpack it"),
        (b"Rar!\x1a\x07", "an archive; unpack it"),
        (b"\x1f\x8b\x08", "an archive; unpack it"),
    ],
)
def test_other_archives_are_refused_with_what_to_do(tmp_path: Path, beginning: bytes, message: str) -> None:
    path = tmp_path / "all.bin"
    path.write_bytes(beginning + bytes(range(256)))
    with pytest.raises(UploadRefused, match=message):
        sniff(path, path.name)


def package(mimetype: str, container: str) -> bytes:
    return packed(
        ("mimetype", mimetype.encode()),
        ("META-INF/container.xml", f"<container><rootfiles>{container}</rootfiles></container>".encode()),
        ("designmap.xml", b"<Document/>"),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (package("application/vnd.adobe.indesign-idml-package", '<rootfile full-path="designmap.xml"/>'),
         "an InDesign file .*export it as PDF"),
        (package("application/vnd.etsi.asic-e+zip", ""), "signed files"),
        (package("application/x-unknown", '<rootfile full-path="designmap.xml" media-type="text/xml"/>'),
         "plain zip archive"),
        (packed(("content.xml", b"<site/>"), ("a.txt", b"x")), "plain zip archive"),
        (packed(("META-INF/MANIFEST.MF", b"x"), ("A.class", b"x")), "a program for Java"),
    ],
    ids=["IDML", "signed", "unknown package", "content.xml of another program", "JAR"],
)  # fmt: skip
def test_a_package_that_is_no_book_is_refused_by_its_right_name(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "x.zip"
    path.write_bytes(content)
    with pytest.raises(UploadRefused, match=message):
        sniff(path, path.name)
