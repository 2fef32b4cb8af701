"""Decompression bombs: each ends soon, at a limit, and harms no other document."""

from __future__ import annotations

import io
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from rag_core.errors import ExtractionFailed
from rag_core.extract import Block, Limits, Parser
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests import office
from services.rag_core.tests.pdfs import dots, illustrated, pdf, placed, said

LIMITS = Limits(
    stall_seconds=30,
    cpu_seconds=60,
    memory_mib=300,
    max_pages=1000,
    ocr_languages="eng",
    ocr_page_seconds=20,
)
TEXT = "The lighthouse of Ardmore was built in 1874."
SECONDS = 20
CODES = {"corrupt", "too_much_memory", "zip_bomb", "parser_hung", "parser_crashed"}
NAMES = "abcdefghij"
# Nested entities, each ten times the one before: a kilobyte that expands to ten billion words.
LAUGHS = "".join(
    [
        '<!DOCTYPE bomb [<!ENTITY a "lol ">',
        *(f'<!ENTITY {here} "{f"&{before};" * 10}">' for before, here in pairwise(NAMES)),
        "]>",
    ]
)
LAST = f"&{NAMES[-1]};"
# Without nesting: one long word, referenced very often.
QUADRATIC = f'<!DOCTYPE bomb [<!ENTITY {NAMES[-1]} "{"x" * 100_000}">]>'


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def within(kind: str, part: str, bomb: str, times: int) -> bytes:
    """An archive with a part that declares the bomb and triggers it beside the text."""

    def armed(markup: bytes) -> bytes:
        text = markup.decode()
        head, mark, rest = text.partition("?>")
        text = f"{head}?>{bomb}{rest}" if mark and head.startswith("<?xml") else bomb + text
        assert TEXT in text
        return text.replace(TEXT, f"{TEXT} {LAST * times}").encode()

    return office.changed(office.whole(kind, TEXT), part, armed)


def markup(opening: str, closing: str, bomb: str, times: int) -> bytes:
    """A markup file that does the same."""
    return f'<?xml version="1.0"?>{bomb}{opening}{TEXT} {LAST * times}{closing}'.encode()


def lying(mib: int) -> bytes:
    """An archive whose directory says that a part has 2,000 bytes; it unpacks to this many MiB."""
    part = "docProps/app.xml"
    made = office.swollen(office.whole("docx", TEXT), part, mib)
    text = made.replace((mib << 20).to_bytes(4, "little"), (2000).to_bytes(4, "little"))
    with zipfile.ZipFile(io.BytesIO(text)) as archive:
        assert archive.getinfo(part).file_size == 2000
    return text


def inflated(mib: int) -> bytes:
    """A stream compressed twice: some kilobytes that unpack to this many MiB of operators without effect."""
    once = zlib.compressobj(9)
    block = b"q Q " * (1 << 18)
    packed = b"".join(once.compress(block) for _ in range(mib)) + once.flush()
    data = zlib.compress(packed, 9)
    head = f"<</Filter[/FlateDecode/FlateDecode]/Length {len(data)}>>\nstream\n"
    return head.encode() + data + b"\nendstream"


def unfolding(mib: int) -> bytes:
    """A PDF whose page has such a stream before a line of text."""
    page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents[5 0 R 4 0 R]/Resources"
    line = said(TEXT, 40, 600)
    return pdf(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            f"{page}<</Font<</F 6 0 R>>>>>>",
            f"<</Length {len(line)}>>\nstream\n{line}\nendstream",
            inflated(mib),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


def pictures(many: int) -> bytes:
    """A PDF of this many pages of images, each a kilobyte that unpacks to 100 megapixels."""
    huge = dots((10_000, 10_000), bytes(12_500_000), 1)
    return illustrated([placed("I0", 0, 0, 600, 800)] * many + [said(TEXT, 40, 600)], [huge])


ENTITIES = (("entities", LAUGHS, 1), ("a long entity", QUADRATIC, 3000))
BOMBS: dict[str, Callable[[], bytes]] = {
    **{
        f"{name} in {kind}": partial(within, kind, part, bomb, times)
        for name, bomb, times in ENTITIES
        for kind, part in (
            ("docx", "word/document.xml"),
            ("pptx", "ppt/slides/slide1.xml"),
            ("xlsx", "xl/worksheets/sheet1.xml"),
            ("epub", "a0.xhtml"),
        )
    },
    **{
        f"{name} in {kind}": partial(markup, opening, closing, bomb, times)
        for name, bomb, times in ENTITIES
        for kind, opening, closing in (
            ("xml", "<a><p>", "</p></a>"),
            ("svg", '<svg xmlns="http://www.w3.org/2000/svg"><text>', "</text></svg>"),
            ("html", "<html><body><p>", "</p></body></html>"),
        )
    },
    "an archive that lies about its size": partial(lying, 150),
    "a page that unfolds": partial(unfolding, 300),
    "pictures that unfold": partial(pictures, 2),
}


def outcome(parser: Parser, path: Path, kind: DocumentKind) -> tuple[str, str]:
    """The error code, empty on success, and the text that was read."""
    text: list[str] = []
    try:
        text += [item.text for item in parser.parse(path, kind) if isinstance(item, Block)]
    except ExtractionFailed as error:
        return error.code, ""
    return "", "\n".join(text)


@pytest.mark.parametrize("what", BOMBS)
def test_what_unpacks_to_too_much_ends_soon_and_costs_only_itself(
    parser: Parser, tmp_path: Path, what: str
) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(BOMBS[what]())
    assert path.stat().st_size < 1 << 20
    began = time.monotonic()
    code, text = outcome(parser, path, sniff(path, "bomb"))
    assert code in {"", *CODES}, code
    assert code or TEXT in text
    assert len(text) < 1_000_000
    assert time.monotonic() - began < SECONDS
    (tmp_path / "next.txt").write_text(TEXT)
    assert outcome(parser, tmp_path / "next.txt", DocumentKind.TEXT) == ("", TEXT)
