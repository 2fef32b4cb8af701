"""Finds which passage supports which sentence of an answer by comparing texts, without a chat model."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from markdown_it import MarkdownIt

from rag_core.models import Citation, Passage, SentenceSupport
from rag_core.support import claims, clauses, stretches
from rag_core.support.stretches import Stretch
from rag_core.text import sentences
from rag_core.text.words import tokens

# Share of a sentence's content words, without numbers, that one stretch of a passage must have to support it.
LEXICAL = 0.6
# Cosine of sentence and stretch that counts as support if the words differ; some must still be shared.
SEMANTIC = 0.72
_SEMANTIC_WORDS = 0.25
_STRETCH = 3  # sentences of a passage compared together
# A sentence with one content word is supported by that word if it is hardly longer: "1874.", "In Paris."
_SHORT = 3
_ITEM = re.compile(r"(?<!\s)\s*(?:[-*+\u2022]\s+)?\d{1,3}[.)]\s+(?=\S)")
_MARKS = re.compile(r"(?<!\s)\s*\[{1,2}\d+(?:\s*[,;]\s*\d+)*\]{1,2}")
_REFERENCE = re.compile(r"(?<= )\[(\d+(?: ?[,;] ?\d+)*)\]")
_CODE = re.compile(r"(`[^`]+`)")
# What an index such as x[1], df$x[1] or f(x)[[1]] is attached to.
_INDEXED = re.compile(r"[\w.$)\]]{1,40}\Z")
_MARKDOWN = MarkdownIt("commonmark")


@dataclass(frozen=True, slots=True)
class Cited:
    """The answer with marks, its citations, and the support of each sentence."""

    text: str
    citations: tuple[Citation, ...]
    sentences: tuple[SentenceSupport, ...]


def cite(
    answer: str, passages: Sequence[Passage], embed: Callable[[list[str]], list[list[float]]] | None
) -> Cited:
    """Attach citations. Marks written by the model are dropped: only checked ones are shown.

    Code, indentation and lines without a word stay as they are.
    """
    said: set[str] = set()
    lines = _lines(re.sub(r"\r\n?", "\n", answer.strip()), passages)
    lines = [line.without_repeats(said) for line in lines]
    runs = [stretch for passage in passages for stretch in stretches.of(passage, _STRETCH)]
    asked = [sentence for line in lines for sentence in line.sentences]
    chosen = _supported(asked, runs, embed)
    single = [stretch for passage in passages for stretch in stretches.of(passage, 1)]
    sources = _joined(asked, chosen, single, embed)
    numbers: dict[tuple[str, int, int, str], Citation] = {}
    supports: list[SentenceSupport] = []
    text_lines: list[str] = []
    left = iter(sources)
    for line in lines:
        marked: list[str] = []
        for sentence in line.sentences:
            found = tuple(dict.fromkeys(_number(stretch, numbers) for stretch in next(left)))
            supports.append(SentenceSupport(text=sentence, citations=found))
            marked.append(f"{sentence} [{', '.join(map(str, found))}]" if found else sentence)
        if marked or line.code or (line.silent and (line.before or text_lines[-1:] != [""])):
            text_lines.append(f"{line.before}{' '.join(marked)}{line.after}")
    return Cited(
        text="\n".join(text_lines).strip(),
        citations=tuple(numbers.values()),
        sentences=tuple(supports),
    )


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of an answer: its sentences, and what stands before and after them."""

    before: str
    sentences: tuple[str, ...] = ()
    after: str = ""
    code: bool = False
    silent: bool = False
    """Whether it has no words: a blank line, a table's rule."""

    def without_repeats(self, said: set[str]) -> _Line:
        """Return the line without the sentences in SAID, and add its own to them."""
        return replace(self, sentences=tuple(one for one in self.sentences if _new(one, said)))


def _lines(answer: str, passages: Sequence[Passage]) -> list[_Line]:
    code: set[int] = set()
    for token in _MARKDOWN.parse(answer):
        if token.type in {"fence", "code_block"} and token.map:
            code.update(range(*token.map))
    return [
        _Line(line, code=True) if number in code else _line(line, passages)
        for number, line in enumerate(answer.split("\n"))
    ]


def _line(line: str, passages: Sequence[Passage]) -> _Line:
    written = _without_marks(line, passages).rstrip()
    if not re.search(r"\w", written):
        return _Line(written, silent=True)
    said = written.lstrip()
    before = written[: len(written) - len(said)]
    # A mark after a table row's last bar would be in no cell, so it would not be shown.
    row = said.startswith("|") and said.endswith("|")
    return _Line(before, tuple(_parts(said.removesuffix("|") if row else said)), " |" if row else "")


def _without_marks(line: str, passages: Sequence[Passage]) -> str:
    """Remove the marks, except in code and where a passage has the same index, such as x[1]."""
    pieces = _CODE.split(line)
    for place in range(0, len(pieces), 2):
        piece = pieces[place]

        def shown(found: re.Match[str], piece: str = piece) -> str:
            indexed = _INDEXED.search(piece[max(0, found.start() - 40) : found.start()])
            index = f"{indexed[0]}{found[0]}" if indexed else ""
            return found[0] if index and any(index in one.text for one in passages) else ""

        pieces[place] = _MARKS.sub(shown, piece)
    return "".join(pieces)


def _parts(line: str) -> list[str]:
    """Return the sentences of a line; a list item's number is not a sentence."""
    item = _ITEM.match(line)
    parts = sentences.split(line[item.end() :] if item else line)
    return [f"{item[0].lstrip()}{parts[0]}", *parts[1:]] if item and parts else parts


def _unnumbered(sentence: str) -> str:
    """Return the sentence without the list item's number before it."""
    item = _ITEM.match(sentence)
    return sentence[item.end() :] if item else sentence


def _new(sentence: str, said: set[str]) -> bool:
    """Whether the sentence is new: small models repeat themselves, and each sentence is kept once."""
    key = re.sub(r"\W+", "", _unnumbered(sentence).lower())
    if key and key in said:
        return False
    said.add(key)
    return True


def quoted(text: str) -> str:
    """Return a passage's text without what would be read as our marks: its reference [3] becomes (3)."""
    return _REFERENCE.sub(r"(\1)", text)


def whole(passages: Sequence[Passage]) -> tuple[Citation, ...]:
    """Return each passage as a citation of its own, for an extractive answer."""
    return tuple(
        _citation(number, passage, passage.page_start, passage.page_end)
        for number, passage in enumerate(passages, 1)
    )


def _supported(
    parts: list[str],
    runs: list[Stretch],
    embed: Callable[[list[str]], list[list[float]]] | None,
) -> list[Stretch | None]:
    chosen: list[Stretch | None] = []
    doubtful: dict[int, Stretch] = {}
    for place, sentence in enumerate(parts):
        claim = _unnumbered(sentence)
        content, numbers = clauses.content(claim), claims.numbers(claim)
        best, share = _nearest(claim, content, runs)
        # A single shared word of many is no evidence.
        tells = len(content) + numbers >= 2 or sum(1 for _ in tokens(claim)) <= _SHORT
        enough = tells and share >= LEXICAL
        chosen.append(best if enough else None)
        if not enough and best is not None and share >= _SEMANTIC_WORDS and len(content) >= 2:
            doubtful[place] = best
    if doubtful and embed is not None:
        texts = [parts[place] for place in doubtful] + [stretch.text for stretch in doubtful.values()]
        vectors = embed(texts)
        half = len(doubtful)
        for place, left, right in zip(doubtful, vectors[:half], vectors[half:], strict=True):
            if _cosine(left, right) >= SEMANTIC:
                chosen[place] = doubtful[place]
    return chosen


def _joined(
    parts: list[str],
    chosen: list[Stretch | None],
    single: list[Stretch],
    embed: Callable[[list[str]], list[list[float]]] | None,
) -> list[tuple[Stretch, ...]]:
    """Return the sources of each sentence; none if one of its clauses has none.

    If a clause is in another passage than the rest, both are cited.
    """
    sources: list[tuple[Stretch, ...]] = [(one,) if one is not None else () for one in chosen]
    said = [one.words for one in single]
    doubtful: list[tuple[int, str, Stretch, float]] = []
    for place, stretch in enumerate(chosen):
        if stretch is None:
            continue
        for clause in clauses.clauses(_unnumbered(parts[place])):
            best, share = clauses.nearest(clause, said)
            sources[place] += () if single[best].text in stretch.text else (single[best],)
            if not clauses.sure(share, clause):
                doubtful.append((place, clause, single[best], share))
    # Without the embedder only words are compared, which is nearly as reliable.
    likeness = [share for _, _, _, share in doubtful]
    if doubtful and embed is not None:
        vectors = embed([clause for _, clause, _, _ in doubtful] + [one.text for _, _, one, _ in doubtful])
        half = len(doubtful)
        likeness = [_cosine(left, right) for left, right in zip(vectors[:half], vectors[half:], strict=True)]
    for (place, clause, _, share), alike in zip(doubtful, likeness, strict=True):
        if not clauses.holds(clause, share, alike):
            sources[place] = ()
    return sources


def _nearest(claim: str, content: frozenset[str], runs: list[Stretch]) -> tuple[Stretch | None, float]:
    """Return the stretch with most of the claim's words that does not contradict it, and their share."""
    best, share = None, 0.0
    alone = 1.0 if claims.numbers(claim) else 0.0  # for a claim that is only a number
    for stretch in runs:
        shared = len(content & stretch.words) / len(content) if content else alone
        if shared > share and claims.supported(claim, f"{stretch.passage.title}\n{stretch.text}"):
            best, share = stretch, shared
    return best, share


def _cosine(left: list[float], right: list[float]) -> float:
    return _dot(left, right) / math.sqrt(_dot(left, left) * _dot(right, right))


def _dot(left: list[float], right: list[float]) -> float:
    return sum(a * b for a, b in zip(left, right, strict=True))


def _number(stretch: Stretch, numbers: dict[tuple[str, int, int, str], Citation]) -> int:
    passage = stretch.passage
    key = (passage.document_id, stretch.page_start, stretch.page_end, passage.text)
    if key not in numbers:
        numbers[key] = _citation(len(numbers) + 1, passage, stretch.page_start, stretch.page_end)
    return numbers[key].number


def _citation(number: int, passage: Passage, page_start: int, page_end: int) -> Citation:
    return Citation(
        number=number,
        document_id=passage.document_id,
        document=passage.document,
        title=passage.title,
        page_start=page_start,
        page_end=page_end,
        passage=passage.text,
        also_in=passage.also_in,
    )
