"""No chunk is over the embedder's window, whatever the text; structure decides where chunks end."""

from __future__ import annotations

import base64
import random

import pytest

from rag_core import measure
from rag_core.chunk import Chunk, Chunker
from rag_core.extract import Block, BlockKind

MAX = 120


def cut(*blocks: Block, tokens: int = MAX) -> list[Chunk]:
    return list(Chunker(tokens).chunks(blocks))


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
    "code": "\n".join(f"x{n} <- read.table('f{n}.txt', sep=',')" for n in range(400)),
}


@pytest.mark.parametrize("kind", [BlockKind.TEXT, BlockKind.CODE, BlockKind.TABLE])
@pytest.mark.parametrize("name", NASTY)
def test_no_chunk_is_over_the_window_and_no_word_is_lost(name: str, kind: BlockKind) -> None:
    chunks = cut(heading("Some heading of this document", 1), Block(kind, NASTY[name], 1))
    assert chunks
    for chunk in chunks:
        assert measure.count(chunk.embedded) + measure.WRAPPING <= MAX
    wanted = {word[: measure.MAX_WORD] for word in NASTY[name].split()}
    assert (
        not wanted
        - {part for c in chunks for w in c.text.split() for part in measure.broken(w).split()}
        - {w for c in chunks for w in c.text.split()}
    )


def test_endless_heading_leaves_room_for_text() -> None:
    chunks = cut(heading("very long heading " * 40, 1), heading("inner " * 60, 2), text("The body. " * 50))
    assert all(measure.count(c.embedded) + measure.WRAPPING <= MAX for c in chunks)
    assert all("body" in c.text for c in chunks)


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
