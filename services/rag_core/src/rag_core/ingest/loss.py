"""Compares the words that a parser gave with those in the chunks: none may be lost in between."""

from __future__ import annotations

import re
from collections import Counter

from rag_core.extract.blocks import Block
from rag_core.extract.chunk import Chunk
from rag_core.text import tokens

_WORD = re.compile(r"\w+")


class LossMeter:
    """Follows one document from blocks to chunks, in their order.

    A chunk may repeat words (headings above it, a table's head, overlap with its neighbour), so only missing
    ones count. A run that is split because it is over-long is compared character by character.
    """

    def __init__(self) -> None:
        self.words_seen = 0
        self._open: Counter[str] = Counter()
        self._signs: Counter[str] = Counter()

    def seen(self, block: Block) -> None:
        """Record a block, before the chunker gets it."""
        for run in block.text.split():
            words = _WORD.findall(run)
            self.words_seen += len(words)
            if len(run) > tokens.MAX_WORD:
                self._signs.update("".join(words))
            else:
                self._open.update(words)

    def kept(self, chunk: Chunk) -> None:
        """Record a chunk that is in the index."""
        for text in (*chunk.headings, chunk.text):
            for run in text.split():
                for word in _WORD.findall(run):
                    self._take(word)

    @property
    def words_lost(self) -> int:
        """Words in no chunk so far; must be 0 after the last chunk."""
        signs = sum(self._signs.values())
        return self._open.total() + -(-signs // tokens.MAX_WORD)

    def _take(self, word: str) -> None:
        if self._open[word]:
            self._open[word] -= 1
            if not self._open[word]:
                del self._open[word]
            return
        for sign in word:
            if self._signs[sign]:
                self._signs[sign] -= 1
