"""No document loses a word between the parser and the chunks.

`conftest.py` checks every document that any test in this folder parses with the same meter. The tests here
cover each kind of document, and check that the meter detects losses.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core.extract import Block, Parser
from rag_core.extract.chunk import Chunk, Chunker
from rag_core.extract.sniff import sniff
from services.rag_core.tests import office, pdfs

WORDS = "The lamp burns 212 litres of colza oil, a year's Überfahrt for \u6e2f\u53e3. "
LONG = WORDS * 60
ROWS = "".join(f"<tr><td>Quay {n}</td><td>{n * 37}</td></tr>" for n in range(90))
DOCUMENTS: dict[str, str | bytes] = {
    **{f"x.{kind}": office.whole(kind, LONG) for kind in office.PARTS},
    "strict.docx": office.strict(office.whole("docx", LONG)),
    "x.pdf": pdfs.paged([pdfs.said(f"Total due on page {n}: {n * 37} crowns", 40, 700) for n in range(9)]),
    "table.pdf": pdfs.drawn(
        pdfs.grid([40, 200, 400], [740, 720, 700, 680])
        + pdfs.cells([["Port", "m"], ["Brest", "7.2"], ["Elm", "6.1"]], [40, 200], [740, 720, 700])
    ),
    "inside.pdf": pdfs.with_files([("figures.txt", b"411 puffins"), ("x.zip", b"PK")], "(x)"),
    "x.eml": office.mail(LONG, {"oil.docx": office.whole("docx", LONG), "x.bin": b"\0\1\2"}),
    "x.html": f"<h1>Fees</h1><table><tr><th>Quay</th><th>Fee</th></tr>{ROWS}</table><pre>{LONG}</pre>",
    "x.md": f"# Fees\n\n## Bare heading\n\n## {'Long heading ' * 50}\n\n```\n{LONG}\n```\n\n{LONG}",
    "bare.md": "".join(f"## Question {n} of 4471?\n" for n in range(40)),
    "x.txt": LONG,
    "one-run.txt": "wort" * 900 + f" {WORDS}" + "\u6e2f\u53e3" * 900,
    "x.csv": "Quay;Fee\n" + "".join(f"Quay {n};{n * 37}\n" for n in range(300)),
    "x.xml": f"<rss><channel><title>Tides</title><item><title>Ice</title><description>{LONG}</description>"
    "</item></channel></rss>",
    "x.rtf": r"{\rtf1\ansi " + LONG.encode("ascii", "ignore").decode() + r"\par}",
    "x.ipynb": '{"cells": [{"cell_type": "markdown", "source": ["# Tides\\n", "Two a day"]}], "nbformat": 4}',
}


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(pdfs.LIMITS) as one:
        yield one


def read(parser: Parser, path: Path, content: str | bytes) -> list[Block]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    items = parser.parse(path, sniff(path, path.name))
    return [item for item in items if isinstance(item, Block)]


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_word_of_a_document_is_in_a_chunk(parser: Parser, tmp_path: Path, name: str) -> None:
    assert read(parser, tmp_path / name, DOCUMENTS[name]), "the meter had nothing to count"


def without(number: int) -> type[Chunker]:
    class Losing(Chunker):
        """Drops one chunk of each document."""

        def chunks(self, blocks: Iterator[Block]) -> Iterator[Chunk]:  # type: ignore[override]
            yield from (chunk for chunk in super().chunks(blocks) if chunk.ordinal != number)

    return Losing


@pytest.mark.parametrize("name", ["x.docx", "x.pdf", "x.csv", "bare.md"])
def test_a_chunk_that_is_dropped_fails_the_test_that_reads(
    parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr("services.rag_core.tests.losses.Chunker", without(0))
    with pytest.raises(AssertionError, match=r"^[1-9]\d* words of the document are in no chunk"):
        read(parser, tmp_path / name, DOCUMENTS[name])


def test_one_number_that_is_dropped_fails_the_test_that_reads(
    parser: Parser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cutting(Chunker):
        """Drops a statement's last word, as if it were a page number."""

        def chunks(self, blocks: Iterator[Block]) -> Iterator[Chunk]:  # type: ignore[override]
            for chunk in super().chunks(blocks):
                yield chunk.model_copy(update={"text": chunk.text.removesuffix("655")})

    monkeypatch.setattr("services.rag_core.tests.losses.Chunker", Cutting)
    with pytest.raises(AssertionError, match=r"^1 words of the document"):
        read(parser, tmp_path / "x.txt", "Total due, in crowns:\n\n655")
