"""No chunk exceeds the embedder's window, whatever the text; structure decides where chunks end."""

from __future__ import annotations

import base64
import random

import pytest

from rag_core.extract import Block, BlockKind
from rag_core.extract.chunk import Chunk, Chunker
from rag_core.ingest.loss import LossMeter
from rag_core.text import tokens
from services.rag_core.tests import losses

MAX = 120


def cut(*blocks: Block, tokens: int = MAX) -> list[Chunk]:
    return list(Chunker(tokens).chunks(blocks))


def lost(*blocks: Block, tokens: int = MAX) -> int:
    """Number of words in the blocks that are in no chunk."""
    return losses.lost(blocks, tokens)


def text(content: str, page: int = 1) -> Block:
    return Block(BlockKind.TEXT, content, page)


def heading(content: str, level: int, page: int = 1) -> Block:
    return Block(BlockKind.HEADING, content, page, level)


RANDOM = random.Random(7)  # noqa: S311 - the same nasty texts each time
NASTY = {
    "no full stop": "word " * 10_000,
    "base64": base64.b64encode(RANDOM.randbytes(6000)).decode(),
    "hex words": " ".join(RANDOM.randbytes(40).hex() for _ in range(100)),
    "CJK": "\u6587\u6863\u68c0\u7d22" * 800,
    "Arabic": "\u0645\u0631\u062d\u0628\u0627 " * 900,
    "emoji": "\U0001f600\U0001f680" * 600,
    "dots": ". " * 4000,
    "Thai": "\u0e20\u0e32\u0e29\u0e32\u0e44\u0e17\u0e22" * 400,
    "private use": "\ue000\ue001 \uf0b7" * 900,
    "marks": "a\u0335\u0336 " * 2000,
    "long words": "internationalization counterrevolutionary " * 400,
    "aligned table": "\n".join(f"{n}{' ' * 38}{n}" for n in range(900)),
    "one long word": "a" * 15_000,
    "code": "\n".join(f"x{n} <- read.table('f{n}.txt', sep=',')" for n in range(400)),
}


@pytest.mark.parametrize("kind", [BlockKind.TEXT, BlockKind.CODE, BlockKind.TABLE])
@pytest.mark.parametrize("name", NASTY)
def test_no_chunk_is_over_the_window_and_no_word_is_lost(name: str, kind: BlockKind) -> None:
    chunks = cut(heading("Some heading of this document", 1), Block(kind, NASTY[name], 1))
    assert chunks
    for chunk in chunks:
        assert tokens.count(chunk.embedded) + tokens.WRAPPING <= MAX
        assert len(chunk.embedded.encode()) <= MAX * tokens.BYTES_OF_PIECE
    assert lost(Block(kind, NASTY[name], 1)) == 0


def test_endless_heading_leaves_room_for_text() -> None:
    chunks = cut(heading("very long heading " * 40, 1), heading("inner " * 60, 2), text("The body. " * 50))
    assert all(tokens.count(c.embedded) + tokens.WRAPPING <= MAX for c in chunks)
    assert sum(c.text.count("body") for c in chunks) == 50
    assert lost(heading("very long heading " * 40, 1), heading("inner " * 60, 2), text("The body. ")) == 0


def test_long_table_keeps_its_head_in_each_part() -> None:
    rows = "\n".join(f"| name{n} | {n} |" for n in range(200))
    chunks = cut(Block(BlockKind.TABLE, f"| name | value |\n| --- | --- |\n{rows}", 1))
    assert len(chunks) > 5
    assert all(c.text.startswith("| name | value |\n| --- | --- |\n| name") for c in chunks)


def test_heading_ends_a_chunk_and_is_kept_with_it() -> None:
    body = "This sentence has some words in it. " * 8
    chunks = cut(heading("Guide", 1), heading("Install", 2), text(body), heading("Use", 2), text(body))
    assert [c.title for c in chunks] == ["Guide > Install", "Guide > Use"]


def test_small_section_stays_with_the_next() -> None:
    chunks = cut(heading("Name", 1), text("grep"), heading("Synopsis", 1), text("grep [option] pattern"))
    assert [c.text for c in chunks] == ["grep\nSynopsis\ngrep [option] pattern"]


def test_pages_are_exact_also_within_a_chunk() -> None:
    chunk = cut(text("one.", 3), text("two.", 3), text("three.", 4))[0]
    assert (chunk.page_start, chunk.page_end) == (3, 4)
    assert chunk.text[chunk.page_marks[1][0] :] == "three."


def test_neighbours_overlap_only_where_no_boundary_was() -> None:
    sentences = [f"Sentence number {n} says a thing." for n in range(100)]
    joined = " ".join(c.text for c in cut(text(" ".join(sentences))))
    assert all(joined.count(s) == 1 for s in sentences), "sentences are a boundary: nothing is repeated"
    words = [f"w{n}" for n in range(600)]
    first, second = (c.text.split() for c in cut(text(" ".join(words)))[:2])
    assert second[0] in first, "a text without boundary is cut with overlap"


def test_window_of_the_model_is_never_reached_at_the_default_size() -> None:
    chunks = cut(text("word " * 5000), tokens=240)
    assert max(c.tokens for c in chunks) <= 240 < 256


FILLER = "The clerk signs every entry of the register before noon and keeps the old one. " * 6


def test_heading_with_nothing_below_stands_in_a_chunk_with_its_page() -> None:
    chunks = cut(
        heading("Guide", 1),
        text(FILLER),
        heading("Emergency number: 4471", 2, page=2),
        heading("Lost property: Bellamy", 2, page=3),
        heading("Opening hours", 2, page=4),
        text(FILLER, page=4),
    )
    [held] = [c for c in chunks if "4471" in c.text]
    assert held.headings == ("Guide",)
    assert "Bellamy" in held.text
    assert [page for _, page in held.page_marks][:2] == [2, 3]
    assert held.text[held.page_marks[1][0] :].startswith("Lost property")


HEADINGS = {
    "at the end": [text(FILLER), heading("Where is the key?", 2)],
    "nothing but headings": [heading(f"Is question {n} answered?", 2) for n in range(90)],
    "slides with titles only": [heading(f"Pemberley {n}", 1, page=n) for n in range(1, 60)],
    "ever deeper": [heading(f"Part {n}", n) for n in range(1, 7)],
    "ever deeper, then text": [*(heading(f"Part {n} " + "of it " * 9, n) for n in range(1, 7)), text("End.")],
    "up again": [heading("A", 1), heading("B", 2), heading("C", 3), heading("D", 1), text(FILLER)],
    "a parent and a child": [text(FILLER), heading("Fees", 1), heading("Boats over 9 m", 2), heading("X", 1)],
    "before a long table": [
        heading("Berths", 1),
        heading("Free", 2),
        Block(BlockKind.TABLE, "| a | b |\n| --- | --- |\n" + "| berth | free |\n" * 300, 2),
    ],
    "over-long": [heading("endless heading of forty words " * 40, 1), heading("inner", 2), text("Body.")],
    "under a title": [heading("The file's title", 0), heading("Q1?", 2), heading("Q2?", 2)],
    "jumping levels": [heading("A", 3), heading("B", 1), heading("C", 6), heading("D", 2), heading("E", 2)],
}


@pytest.mark.parametrize("most", [40, 120, 240])
@pytest.mark.parametrize("name", HEADINGS)
def test_no_heading_is_lost(name: str, most: int) -> None:
    assert lost(*HEADINGS[name], tokens=most) == 0
    assert all(tokens.count(c.embedded) + 2 <= most for c in cut(*HEADINGS[name], tokens=most))


def test_title_of_a_file_alone_is_no_text() -> None:
    assert cut(heading("Scan of 9 March", 0)) == []


def test_meter_counts_what_no_chunk_holds() -> None:
    meter = LossMeter()
    meter.seen(text("Total due: 655 crowns. " + "x" * 250))
    for chunk in cut(text("Total due: crowns.")):
        meter.kept(chunk)
    assert meter.words_seen == 5
    assert meter.words_lost == 1 + 3, "the number, and a word of 250 signs as three of the longest"
