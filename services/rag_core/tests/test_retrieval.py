"""How hits become passages: copies are left out, neighbours joined with their true pages."""

from __future__ import annotations

import pytest

from rag_core.index.hits import Hit
from rag_core.retrieval import retriever


def hit(ordinal: int, text: str, page: int = 1, document: str = "d") -> Hit:
    return Hit(
        chunk_id=f"{document}-{ordinal}",
        document_id=document,
        ordinal=ordinal,
        title="",
        text=text,
        page_start=page,
        page_end=page,
        page_marks=((0, page),),
        score=1.0,
        similarity=0.5,
        bm25_score=None,
        bm25_rank=None,
        vector_rank=1,
    )


LONG = "The pump of the second hall is serviced in spring by two people who bring oil, filters and a lamp."


def kept(*hits: Hit) -> list[str]:
    return [one.text for one in retriever.without_repeats(hits)[0]]


def test_the_same_words_in_the_same_order_are_shown_once() -> None:
    again = f"  {LONG.upper()}\n"
    assert kept(hit(0, LONG), hit(0, again, document="e"), hit(1, LONG, document="f")) == [LONG]


def test_every_document_that_holds_the_same_text_is_named() -> None:
    hits = [hit(0, LONG), hit(4, LONG, document="e"), hit(0, LONG, document="f"), hit(7, LONG)]
    shown, copies = retriever.without_repeats(hits)
    [group] = retriever.grouped(shown, 5)
    found = retriever.passage(group, {"d": "d.pdf", "e": "e.pdf", "f": "f.pdf"}, copies)
    assert (found.document, found.also_in) == ("d.pdf", ("e.pdf", "f.pdf"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("spring", "autumn"),
        ("is serviced", "is not serviced"),
        ("two people", "ten people"),
        ("second hall", "third hall"),
        ("oil, filters", "filters, oil"),
        ("in spring", "in spring at -5 degrees"),
        ("a lamp.", "a lamp. Pressure: 1.5 bar."),
    ],
)
def test_a_single_word_makes_another_statement(one: str, other: str) -> None:
    changed = LONG.replace(one, other)
    assert changed != LONG
    assert kept(hit(0, LONG), hit(0, changed, document="e")) == [LONG, changed]


@pytest.mark.parametrize(("one", "other"), [("-5", "5"), ("1.5", "15"), ("5 %", "5"), ("9:30", "930")])
def test_signs_of_a_number_make_another_number(one: str, other: str) -> None:
    assert len(kept(hit(0, f"{LONG} {one}"), hit(0, f"{LONG} {other}", document="e"))) == 2


def test_agreements_that_differ_by_their_heading_are_all_shown() -> None:
    agreements = [
        hit(0, LONG, document=name).model_copy(update={"title": f"Agreement with {name}"})
        for name in ("Ashby", "Birch", "Cole", "Dunn")
    ]
    assert len(kept(*agreements)) == 4


def test_neighbours_become_one_passage_with_true_pages() -> None:
    groups = retriever.grouped([hit(5, "second", 8), hit(4, "first", 7), hit(9, "far", 12)], 5)
    joined, far = (retriever.passage(group, {"d": "d.pdf"}) for group in groups)
    assert (joined.text, joined.page_start, joined.page_end) == ("first\nsecond", 7, 8)
    assert joined.page_marks == ((0, 7), (6, 8))
    assert far.text == "far"


def test_what_two_neighbours_share_is_said_once() -> None:
    shared = "and the keeper climbs the stairs every evening"
    groups = retriever.grouped(
        [hit(0, f"The lamp burns {shared}", 1), hit(1, f"{shared} with a can of oil", 2)], 5
    )
    joined = retriever.passage(groups[0], {"d": "d.pdf"})
    assert joined.text == f"The lamp burns {shared} with a can of oil"
    assert joined.page_marks[-1] == (len(f"The lamp burns {shared}"), 2)


def test_a_hit_that_closes_the_gap_between_two_passages_makes_them_one() -> None:
    [one] = retriever.grouped([hit(5, "third", 3), hit(3, "first", 1), hit(4, "second", 2)], 5)
    joined = retriever.passage(one, {"d": "d.pdf"})
    assert (joined.text, joined.page_start, joined.page_end) == ("first\nsecond\nthird", 1, 3)


def test_a_passage_never_grows_over_its_size() -> None:
    groups = retriever.grouped([hit(n, f"{n}") for n in (1, 2, 4, 5, 3)], 5)
    assert [sorted(one.ordinal for one in group.hits) for group in groups] == [[1, 2, 3], [4, 5]]


def test_a_late_neighbour_pushes_no_better_hit_down() -> None:
    """When joined to the first passage, it used to come before better hits."""
    best = [hit(10 * n, f"{n}") for n in range(1, 6)]
    groups = retriever.grouped([*best, hit(11, "late")], 20)
    assert [[one.text for one in group.hits] for group in groups] == [
        ["1"],
        ["2"],
        ["3"],
        ["4"],
        ["5"],
        ["late"],
    ]


def test_no_more_passages_than_asked_for() -> None:
    assert len(retriever.grouped([hit(10 * n, f"{n}") for n in range(60)], 20)) == 20
