"""Rebuilds the text of a document's pages from its chunks, with a passage marked in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from rag_core.models import Frozen

MOST_CHUNKS = 200
"""A text file is one page, however long: more than this around the passage nobody reads beside an answer."""
_AROUND = MOST_CHUNKS // 2
_LONGEST_OVERLAP = 600
_SHORTEST_OVERLAP = 12
_FIELDS = ["ordinal", "title", "text", "page_start", "page_end", "page_marks"]

Search = Callable[[dict[str, Any]], Sequence[Mapping[str, Any]]]


class Piece(Frozen):
    """A stretch of one page; `cited` if it belongs to the requested passage."""

    page: int
    title: str
    text: str
    cited: bool


class PageText(Frozen):
    """The pieces of some pages in reading order; `whole` is False if a long page was shortened."""

    pieces: tuple[Piece, ...]
    whole: bool = True


def read(search: Search, document_id: str, first: int, last: int, passage: str = "") -> PageText:
    """Return the text of pages `first` to `last`, using an index's `search` (IndexReader.sources)."""
    within: list[dict[str, Any]] = [
        {"term": {"document_id": document_id}},
        {"range": {"page_start": {"lte": last}}},
        {"range": {"page_end": {"gte": first}}},
    ]
    chunks = search(_in_order(within, MOST_CHUNKS + 1))
    whole = len(chunks) <= MOST_CHUNKS
    if not whole:
        middle = _ordinal_of(search, within, passage)
        near = {"range": {"ordinal": {"gte": middle - _AROUND, "lt": middle + _AROUND}}}
        chunks = search(_in_order([*within, near], MOST_CHUNKS))
    pieces = _joined(piece for chunk in chunks for piece in _pieces(chunk, passage))
    return PageText(pieces=tuple(p for p in pieces if first <= p.page <= last), whole=whole)


def _in_order(within: list[dict[str, Any]], size: int) -> dict[str, Any]:
    return {
        "size": size,
        "_source": _FIELDS,
        "query": {"bool": {"filter": within}},
        "sort": [{"ordinal": "asc"}],
    }


def _ordinal_of(search: Search, within: list[dict[str, Any]], passage: str) -> int:
    """Return where in a long page the passage is; the page's beginning if there is no passage."""
    words = " ".join(passage.split()[:60])
    if not words:
        return _AROUND
    query = {"bool": {"filter": within, "must": [{"match": {"text": words}}]}}
    found = search({"size": 1, "_source": ["ordinal"], "query": query})
    return max(_AROUND, int(found[0]["ordinal"])) if found else _AROUND


def _pieces(chunk: Mapping[str, Any], passage: str) -> Iterator[Piece]:
    text = str(chunk["text"])
    marks = [(int(offset), int(page)) for offset, page in (chunk.get("page_marks") or {}).get("marks", [])]
    if not marks or marks[0][0] > 0:
        marks.insert(0, (0, int(chunk["page_start"])))
    ends = [offset for offset, _ in marks[1:]] + [len(text)]
    needle, here = _normal(passage), _normal(text)
    cited = bool(needle and here) and (here in needle or needle in here)
    for (start, page), end in zip(marks, ends, strict=True):
        if text[start:end].strip():
            yield Piece(page=page, title=str(chunk["title"]), text=text[start:end].strip("\n"), cited=cited)


def _joined(pieces: Iterator[Piece]) -> list[Piece]:
    """Drop the text that a chunk repeats from the previous one; it stays with the cited piece."""
    found: list[Piece] = []
    for piece in pieces:
        before = found[-1] if found else None
        shared = _overlap(before.text, piece.text) if before and before.page == piece.page else 0
        if before and shared and piece.cited and not before.cited:
            found[-1] = before.model_copy(update={"text": before.text[:-shared]})
            shared = 0
        if len(piece.text) > shared:
            found.append(piece.model_copy(update={"text": piece.text[shared:]}))
    return [piece for piece in found if piece.text.strip()]


def _overlap(before: str, after: str) -> int:
    """Return how many characters at the start of `after` repeat the end of `before`."""
    for length in range(min(len(before), len(after), _LONGEST_OVERLAP), _SHORTEST_OVERLAP - 1, -1):
        if before.endswith(after[:length]):
            return length
    return 0


def _normal(text: str) -> str:
    return " ".join(text.split())
