"""Every document that a test reads is also cut into chunks, and may lose no word on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rag_core.extract import Block, Item
from rag_core.extract.chunk import Chunker
from rag_core.ingest.loss import LossMeter

# As many pieces as production gives a chunk, and so few that tables and headings are cut, too.
TOKENS = (254, 60)

Parse = Callable[..., Iterator[Item]]


def lost(blocks: Iterable[Block], tokens: int) -> int:
    """Words of the blocks that no chunk of so many pieces holds."""
    meter = LossMeter()

    def seen() -> Iterator[Block]:
        for block in blocks:
            meter.seen(block)
            yield block

    for chunk in Chunker(tokens).chunks(seen()):
        meter.kept(chunk)
    return meter.words_lost


def watched(parse: Parse) -> Parse:
    """A method that parses as this one, and fails the test if chunks lack a word of what it gave."""

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
