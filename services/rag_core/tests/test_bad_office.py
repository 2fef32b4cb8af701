"""Damaged Office files, books and mail: each ends in a clear state, and the next file is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag_core.errors import ExtractionFailed, UploadRefused
from rag_core.extract import Block, Parser
from rag_core.extract.sniff import sniff
from services.rag_core.tests import office
from services.rag_core.tests.pdfs import LIMITS

DAMAGES: dict[str, Callable[[str, bytes], bytes]] = {
    "broken off": lambda kind, content: office.broken_off(content),
    "markup cut": lambda kind, content: office.cut(content, office.PARTS[kind]),
    "bytes corrupted": lambda kind, content: office.corrupted(content, office.PARTS[kind]),
}
TEXT = "The lamp burns colza oil. " * 40


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, tmp_path: Path, content: bytes, name: str = "x") -> str:
    """All text read from a file."""
    path = tmp_path / name
    path.write_bytes(content)
    items = parser.parse(path, sniff(path, name))
    return "\n".join(item.text for item in items if isinstance(item, Block))


def failure(parser: Parser, tmp_path: Path, content: bytes, name: str = "x") -> ExtractionFailed:
    with pytest.raises(ExtractionFailed) as caught:
        read(parser, tmp_path, content, name)
    return caught.value


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", office.PARTS)
def test_damaged_office_file_says_so_and_the_next_is_read(
    parser: Parser, tmp_path: Path, kind: str, damage: str
) -> None:
    content = office.whole(kind, TEXT)
    error = failure(parser, tmp_path, DAMAGES[damage](kind, content), f"bad.{kind}")
    assert (error.code, error.retryable) == ("corrupt", False)
    assert "damaged" in error.message
    assert "copy or download it again" in error.message
    assert not any(word in error.message for word in (str(tmp_path), "line ", "Traceback", "colza")), (
        f"neither a path nor a parser's own words: {error.message}"
    )
    assert "The lamp burns colza oil." in read(parser, tmp_path, content, f"good.{kind}")


def test_chapter_that_is_damaged_costs_the_book_only_itself(parser: Parser, tmp_path: Path) -> None:
    content = office.corrupted(office.book(["One. " * 40, TEXT, "Three. " * 40]), "a1.xhtml")
    text = read(parser, tmp_path, content)
    assert "One." in text
    assert "Three." in text
    assert "This chapter was not read: the book is damaged here." in text


@pytest.mark.parametrize("kind", office.PARTS)
def test_archive_with_a_password_says_so(parser: Parser, tmp_path: Path, kind: str) -> None:
    error = failure(parser, tmp_path, office.locked(office.whole(kind, TEXT)))
    assert (error.code, "password" in error.message) == ("encrypted", True)


def test_one_part_that_unpacks_to_too_much_is_a_bomb(parser: Parser, tmp_path: Path) -> None:
    """It is under the total limit, but markup is parsed in one piece, which takes ten times its size."""
    error = failure(parser, tmp_path, office.swollen(office.book([TEXT]), "a0.xhtml", 61))
    assert (error.code, "61 MiB of markup" in error.message) == ("zip_bomb", True)


@pytest.mark.parametrize("harm", [office.corrupted, office.without])
def test_book_whose_only_chapter_is_lost_is_damaged_not_empty(
    parser: Parser, tmp_path: Path, harm: Callable[[bytes, str], bytes]
) -> None:
    error = failure(parser, tmp_path, harm(office.book([TEXT]), "a0.xhtml"))
    assert (error.code, "1 of its 1 chapters" in error.message) == ("corrupt", True)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", office.PARTS)
def test_mail_with_a_broken_attachment_keeps_its_text_and_the_other_attachments(
    parser: Parser, tmp_path: Path, kind: str, damage: str
) -> None:
    bad = DAMAGES[damage](kind, office.whole(kind, TEXT))
    good = office.whole("docx", "The keeper climbs 212 steps.")
    text = read(parser, tmp_path, office.mail("See both files.", {f"bad.{kind}": bad, "good.docx": good}))
    assert "See both files." in text
    assert "The keeper climbs 212 steps." in text
    content = text.split(f"Attachment: bad.{kind}")[1].split("Attachment: good.docx")[0]
    assert f"The attached file bad.{kind} was not read" in content
    assert "damaged" in content


def test_mail_that_breaks_off_inside_an_attachment_keeps_its_text(parser: Parser, tmp_path: Path) -> None:
    whole = office.mail("See the file.", {"far.docx": office.whole("docx", TEXT)})
    text = read(parser, tmp_path, office.broken_off(whole))
    assert "See the file." in text
    assert "was not read: the Word file breaks off" in text


@pytest.mark.parametrize("name", ["x.xlsx", "x.pdf", "x"])
def test_workbook_is_read_whatever_its_name_ends_in(parser: Parser, tmp_path: Path, name: str) -> None:
    """This also holds for a workbook attached to a mail."""
    content = office.whole("xlsx", TEXT)
    assert "colza" in read(parser, tmp_path, content, name)
    assert "colza" in read(parser, tmp_path, office.mail("See the file.", {name: content}))


@pytest.mark.parametrize(
    ("kind", "own", "other"),
    [
        ("docx", "openxmlformats-officedocument.wordprocessingml.document", "ms-word.document.macroEnabled"),
        (
            "docx",
            "openxmlformats-officedocument.wordprocessingml.document",
            "openxmlformats-officedocument.wordprocessingml.template",
        ),
        (
            "pptx",
            "openxmlformats-officedocument.presentationml.presentation",
            "openxmlformats-officedocument.presentationml.slideshow",
        ),
        (
            "xlsx",
            "openxmlformats-officedocument.spreadsheetml.sheet",
            "ms-excel.sheet.macroEnabled",
        ),
    ],
)
def test_macros_templates_and_slide_shows_are_read(
    parser: Parser, tmp_path: Path, kind: str, own: str, other: str
) -> None:
    content = office.renamed(office.whole(kind, TEXT), f"{own}.main+xml", f"{other}.main+xml")
    assert "colza" in read(parser, tmp_path, content)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (office.archive_of("a.txt", "b.txt"), "plain zip archive.*unpack it"),
        (office.archive_of(), "plain zip archive"),
        (office.archive_of("[Content_Types].xml", "access/document.xml"), "Office file without.*DOCX.*PDF"),
        (office.without(office.whole("docx", TEXT), "word/document.xml"), "Office file without.*damaged"),
        (office.archive_of("META-INF/manifest.xml", "mimetype"), "OpenDocument.*without text"),
        (office.whole("docx", TEXT)[:60], "breaks off or is damaged: copy or download it again"),
        (b"PK\x03\x04" + bytes(64), "breaks off or is damaged: copy or download it again"),
    ],
    ids=["zip", "empty zip", "other Office kind", "no main part", "OpenDocument", "first bytes", "zeros"],
)
def test_archive_without_a_document_is_refused_with_what_it_is_and_what_to_do(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "archive.docx"
    path.write_bytes(content)
    with pytest.raises(UploadRefused, match=f"'archive.docx' .*{message}") as caught:
        sniff(path, path.name)
    assert (caught.value.code, caught.value.http_status) == ("upload_unsupported", 415)


@pytest.mark.parametrize("kind", ["docx", "pptx", "xlsx"])
def test_office_file_saved_as_strict_open_xml_is_read(parser: Parser, tmp_path: Path, kind: str) -> None:
    """The same content in other namespaces: libraries find nothing in it, or fail."""
    content = office.strict(office.whole(kind, TEXT))
    assert read(parser, tmp_path, content) == read(parser, tmp_path, office.whole(kind, TEXT))


def test_numbered_main_part_is_known(parser: Parser, tmp_path: Path) -> None:
    """Some Microsoft programs write word/document2.xml."""
    content = office.renamed(office.whole("docx", TEXT), "document.xml", "document2.xml")
    assert "colza" in read(parser, tmp_path, content)
