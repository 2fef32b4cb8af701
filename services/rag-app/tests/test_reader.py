"""The panel with a cited page: the right page, the right words highlighted, and nothing executable."""

from io import BytesIO
from typing import Any

import pytest
from fastapi import FastAPI
from gradio import EventData

from rag_app.backend import Backend
from rag_app.ui.reader import Place, page_html
from rag_core.index import page_text


def _chunk(ordinal: int, title: str, text: str, *marks: tuple[int, int]) -> dict[str, Any]:
    return {
        "ordinal": ordinal,
        "title": title,
        "text": text,
        "page_start": marks[0][1],
        "page_end": marks[-1][1],
        "page_marks": {"marks": [list(mark) for mark in marks]},
    }


PAGE = [
    _chunk(3, "One", "End of two.\nStart of three.", (0, 2), (12, 3)),
    _chunk(4, "One > A", "The answer is <b>solve()</b>.", (0, 3)),
    _chunk(5, "One > A", "is <b>solve()</b>. And so on.", (0, 3)),
]


def _read(passage: str, first: int = 3, last: int = 3) -> page_text.PageText:
    return page_text.read(lambda body: PAGE, "x", first, last, passage=passage)


def test_page_is_put_together_in_order_without_repeats() -> None:
    pieces = _read("").pieces
    assert [piece.text for piece in pieces] == [
        "Start of three.",
        "The answer is <b>solve()</b>.",
        " And so on.",
    ]
    assert not any(piece.cited for piece in pieces)


def test_only_the_passage_is_highlighted() -> None:
    shown = _read("The answer  is\n<b>solve()</b>.")
    assert [piece.cited for piece in shown.pieces] == [False, True, False]
    assert [piece.page for piece in shown.pieces if piece.cited] == [3]


def test_passage_over_a_page_break_begins_on_its_first_page() -> None:
    shown = _read("End of two. Start of three.", 2, 3)
    assert [(piece.page, piece.cited) for piece in shown.pieces][:2] == [(2, True), (3, True)]


def test_repeated_words_stay_with_the_passage() -> None:
    shown = _read("is <b>solve()</b>. And so on.")
    assert [(piece.text, piece.cited) for piece in shown.pieces][1:] == [
        ("The answer ", False),
        ("is <b>solve()</b>. And so on.", True),
    ]


def test_long_page_is_read_around_the_passage() -> None:
    asked: list[dict[str, Any]] = []

    def search(body: dict[str, Any]) -> list[dict[str, Any]]:
        asked.append(body)
        if body["size"] == 1:
            return [{"ordinal": 3000}]
        return [{**PAGE[1], "ordinal": n} for n in range(body["size"])]

    assert not page_text.read(search, "x", 3, 3, passage="needle").whole
    assert asked[-1]["query"]["bool"]["filter"][-1] == {"range": {"ordinal": {"gte": 2900, "lt": 3100}}}


@pytest.mark.parametrize("sent", ["-1", "1e9", "", None, "999999999999", [1], "²"])
def test_page_numbers_are_not_taken_on_trust(sent: object) -> None:
    place = Place.of(EventData(None, {"document": "x", "first": sent, "last": sent, "passage": "p"}))
    assert (place.first, place.last) == (1, 1)


def test_span_of_pages_is_bounded() -> None:
    place = Place.of(EventData(None, {"document": "x", "first": "5", "last": "5000"}))
    assert (place.first, place.last) == (5, 10)


def test_unknown_document_says_so(app: FastAPI) -> None:
    shown = page_html(app.state.backend, Place("nothing<script>", 1, 1))
    assert 'role="alert"' in shown
    assert "<script" not in shown


def test_passage_is_shown_when_the_index_is_away(app: FastAPI) -> None:
    backend: Backend = app.state.backend
    document = backend.uploads.accept("a.txt", BytesIO(b"words of a\n"))
    shown = page_html(backend, Place(document.id, 1, 1, "the <i>passage</i> ${alert(1)}"))
    assert 'role="alert"' in shown
    assert "<mark>the &lt;i&gt;passage&lt;/i&gt; &#36;&#123;" in shown
