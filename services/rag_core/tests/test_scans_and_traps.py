"""PDFs with pictures of text are read by Tesseract; malicious PDFs end in a clear state."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pypdfium2
import pytest
from pypdf import PdfWriter

from rag_core.errors import ExtractionFailed
from rag_core.extract import Block, Limits, Parser
from rag_core.extract.blocks import Item
from rag_core.models import DocumentKind
from services.rag_core.tests.pdfs import drawn, hidden_letters, pdf, said, tangled, unending

MakePdf = Callable[..., Path]
PATIENT = Limits(
    stall_seconds=300,
    cpu_seconds=300,
    memory_mib=512,
    max_pages=10_000,
    ocr_languages="eng",
    ocr_page_seconds=200,
)
LETTER = "The lighthouse keeper wrote a letter about the northern storm."


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(PATIENT) as one:
        yield one


def limited(**changes: object) -> Limits:
    return Limits(**({f: getattr(PATIENT, f) for f in PATIENT.__slots__} | changes))


def scanned(source: Path, target: Path, pages: set[int], *, sideways: bool = False) -> Path:
    """The same PDF with some pages (counted from 1) replaced by pictures of themselves."""
    with pypdfium2.PdfDocument(source) as before, pypdfium2.PdfDocument.new() as after:
        for number in range(1, len(before) + 1):
            if number not in pages:
                after.import_pages(before, [number - 1])
                continue
            picture = before[number - 1].render(scale=150 / 72, grayscale=True).to_pil()
            picture = picture.rotate(90, expand=True) if sideways else picture
            picture.convert("RGB").save(target.with_suffix(".one"), "PDF", resolution=150)
            with pypdfium2.PdfDocument(target.with_suffix(".one")) as one:
                after.import_pages(one)
        after.save(target)
    return target


def texts(items: list[Item]) -> list[tuple[int, str]]:
    return [(b.page, b.text) for b in items if isinstance(b, Block)]


def failure(parser: Parser, path: Path) -> ExtractionFailed:
    with pytest.raises(ExtractionFailed) as caught:
        list(parser.parse(path, DocumentKind.PDF))
    return caught.value


def test_only_the_scanned_page_is_recognised(parser: Parser, make_pdf: MakePdf, tmp_path: Path) -> None:
    plain = make_pdf(["Typed words stay exactly as they are, l1I0O.", LETTER, "And the last page."])
    items = list(parser.parse(scanned(plain, tmp_path / "mixed.pdf", {2}), DocumentKind.PDF))
    assert texts(items) == [
        (1, "Typed words stay exactly as they are, l1I0O."),
        (2, LETTER),
        (3, "And the last page."),
    ]


def test_page_scanned_sideways_is_turned(parser: Parser, make_pdf: MakePdf, tmp_path: Path) -> None:
    page = "\n".join(
        [LETTER, "It was found years later in a wooden box.", "Nobody knows who put it there."] * 5
    )
    path = scanned(make_pdf([page]), tmp_path / "side.pdf", {1}, sideways=True)
    text = " ".join(t for _, t in texts(list(parser.parse(path, DocumentKind.PDF))))
    assert "lighthouse keeper wrote a letter" in text


def test_fonts_that_hide_their_letters_are_read_as_they_look(parser: Parser, tmp_path: Path) -> None:
    """The text layer has only private-use characters, as written by many old typesetting programs."""
    path = tmp_path / "fonts.pdf"
    path.write_bytes(hidden_letters("Readable only by eye: northern lighthouse"))
    text = " ".join(t for _, t in texts(list(parser.parse(path, DocumentKind.PDF))))
    assert "northern lighthouse" in text


def test_without_recognition_such_fonts_are_a_clear_state(tmp_path: Path) -> None:
    (tmp_path / "fonts.pdf").write_bytes(hidden_letters("Readable only by eye"))
    with Parser(limited(ocr_languages="")) as parser:
        assert failure(parser, tmp_path / "fonts.pdf").code == "unreadable_fonts"


@pytest.mark.parametrize(("languages", "expected"), [("", "switched off"), ("xxx", "no data for 'xxx'")])
def test_scan_that_nothing_can_read_says_why(
    make_pdf: MakePdf, tmp_path: Path, languages: str, expected: str
) -> None:
    path = scanned(make_pdf([LETTER]), tmp_path / "scan.pdf", {1})
    with Parser(limited(ocr_languages=languages)) as parser:
        error = failure(parser, path)
    assert (error.code, expected in error.message) == ("no_text", True), error.message


def test_picture_without_words_says_so(parser: Parser, make_pdf: MakePdf, tmp_path: Path) -> None:
    error = failure(parser, scanned(make_pdf([""]), tmp_path / "white.pdf", {1}))
    assert (error.code, "none was recognised" in error.message) == ("no_text", True)


def test_page_that_takes_too_long_costs_only_itself(make_pdf: MakePdf, tmp_path: Path) -> None:
    path = scanned(
        make_pdf([LETTER, "Typed and kept, whatever the other page does."]), tmp_path / "s.pdf", {1}
    )
    with Parser(limited(ocr_page_seconds=0.01)) as parser:
        assert texts(list(parser.parse(path, DocumentKind.PDF))) == [
            (2, "Typed and kept, whatever the other page does.")
        ]


def test_pdf_that_makes_the_parser_hang_is_killed(tmp_path: Path) -> None:
    """Its memory use stays flat, so only the stall limit can end it."""
    hang, fine = tmp_path / "hang.pdf", tmp_path / "fine.pdf"
    hang.write_bytes(unending())
    fine.write_bytes(drawn(said("fine", 40, 600)))
    assert hang.stat().st_size < 5000
    with Parser(limited(stall_seconds=10, cpu_seconds=900)) as parser:
        assert texts(list(parser.parse(fine, DocumentKind.PDF))) == [(1, "fine")]
        process = parser._process
        assert process is not None
        error = failure(parser, hang)
        assert (error.code, error.retryable) == ("parser_hung", False)
        assert "stood still for 10 s" in error.message
        assert process.poll() is not None, "the hanging process must be gone"
        assert texts(list(parser.parse(fine, DocumentKind.PDF))) == [(1, "fine")]


def test_pdf_that_fills_memory_is_set_aside(tmp_path: Path) -> None:
    path, fine = tmp_path / "tangled.pdf", tmp_path / "fine.pdf"
    path.write_bytes(tangled())
    fine.write_bytes(drawn(said("fine", 40, 600)))
    with Parser(PATIENT) as parser:
        assert failure(parser, path).code in {"too_much_memory", "parser_crashed"}
        assert texts(list(parser.parse(fine, DocumentKind.PDF))) == [(1, "fine")]


def test_pdf_of_fifty_thousand_pages_is_refused_at_once(parser: Parser, tmp_path: Path) -> None:
    kids = " ".join(f"{n} 0 R" for n in range(3, 50_003))
    pages = ["<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"] * 50_000
    path = tmp_path / "many.pdf"
    path.write_bytes(
        pdf(["<</Type/Catalog/Pages 2 0 R>>", f"<</Type/Pages/Kids[{kids}]/Count 50000>>", *pages])
    )
    started = time.monotonic()
    error = failure(parser, path)
    assert (error.code, "50,000 pages" in error.message) == ("too_many_pages", True)
    assert time.monotonic() - started < 60


def locked(path: Path, algorithm: str, password: str) -> Path:
    writer = PdfWriter(clone_from=io.BytesIO(drawn(said("The tide tables", 40, 600))))
    writer.encrypt(user_password=password, owner_password="owner", algorithm=algorithm)
    writer.write(path)
    return path


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_pdf_that_opens_without_a_password_is_read(parser: Parser, tmp_path: Path, algorithm: str) -> None:
    """Its owner password forbids printing or copying, but anybody may read it."""
    items = list(parser.parse(locked(tmp_path / "open.pdf", algorithm, ""), DocumentKind.PDF))
    assert texts(items) == [(1, "The tide tables")]


@pytest.mark.parametrize("algorithm", ["RC4-128", "AES-128", "AES-256"])
def test_pdf_with_a_password_says_so(parser: Parser, tmp_path: Path, algorithm: str) -> None:
    error = failure(parser, locked(tmp_path / "locked.pdf", algorithm, "secret"))
    assert (error.code, "password" in error.message) == ("encrypted", True)


WHOLE = drawn(said("The tide tables", 40, 600))
DAMAGED = {
    "its table of objects is elsewhere": WHOLE.replace(b"startxref\n", b"startxref\n9"),
    "its objects are elsewhere": re.sub(rb"\d{10}(?= 00000 n)", lambda m: b"%010d" % (int(m[0]) + 7), WHOLE),
    "its streams have no length": WHOLE.replace(b"/Length", b"/Lengt"),
    "it begins with something else": b"a line of a web server's log\n" * 20 + WHOLE,
    "it ends with something else": WHOLE + b"<html>a web page</html>" * 50,
}


@pytest.mark.parametrize("what", DAMAGED)
def test_damaged_pdf_with_all_its_text_is_read(parser: Parser, tmp_path: Path, what: str) -> None:
    (tmp_path / "damaged.pdf").write_bytes(DAMAGED[what])
    assert texts(list(parser.parse(tmp_path / "damaged.pdf", DocumentKind.PDF))) == [(1, "The tide tables")]


@pytest.mark.parametrize("end", [0.5, 0.8])
def test_pdf_that_breaks_off_says_so(parser: Parser, tmp_path: Path, end: float) -> None:
    (tmp_path / "cut.pdf").write_bytes(WHOLE[: int(end * len(WHOLE))])
    error = failure(parser, tmp_path / "cut.pdf")
    assert (error.code, "breaks off" in error.message) == ("corrupt", True)
