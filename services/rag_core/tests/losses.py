"""Chunks every document that a test parses, and fails if a word is lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rag_core.extract import Block, Item
from rag_core.extract.chunk import Chunker
from rag_core.ingest.loss import LossMeter

# Tokens per chunk: as many as in production, and so few that even tables and headings are cut.
TOKENS = (254, 60)

Parse = Callable[..., Iterator[Item]]


def lost(blocks: Iterable[Block], tokens: int) -> int:
    """Number of words in the blocks that are in no chunk of this many tokens."""
    meter = LossMeter()

    def seen() -> Iterator[Block]:
        for block in blocks:
            meter.seen(block)
            yield block

    for chunk in Chunker(tokens).chunks(seen()):
        meter.kept(chunk)
    return meter.words_lost


def watched(parse: Parse) -> Parse:
    """Wrap a parse method so that the test fails if the chunks miss a word of its blocks."""

    def watching(*given: Any, **named: Any) -> Iterator[Item]:
        blocks: list[Block] = []
        for item in parse(*given, **named):
            if isinstance(item, Block):
                blocks.append(item)
            yield item
        for tokens in TOKENS:
            words = lost(blocks, tokens)
            assert words == 0, f"{words} words of the document are in no chunk of {tokens} pieces"

    return watching
