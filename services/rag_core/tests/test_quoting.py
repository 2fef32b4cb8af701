"""The best sentences of the passages found, shown before a model has read anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from rag_core.answering import quoting
from rag_core.models import Passage, Quote

HALL = (
    "The turbine hall was built in 1963. It has two cranes of forty tonnes each. "
    "Bearing temperature must stay below 85 degrees Celsius. Above that the turbine trips by itself. "
    "Visitors wear a helmet. The canteen opens at noon."
)


def quotes(query: str, passages: Sequence[Passage], held: Mapping[str, int]) -> tuple[Quote, ...]:
    return quoting.quotes(quoting.ranked(query, passages, held))


def passage(text: str, *, document: str = "kestrel.pdf", title: str = "", pages: int = 1) -> Passage:
    """A passage; its text is spread evenly over the pages."""
    marks = [(0, 4)] + [(len(text) * n // pages, 4 + n) for n in range(1, pages)]
    return Passage(
        document_id=document.partition(".")[0],
        document=document,
        title=title,
        page_start=4,
        page_end=3 + pages,
        text=text,
        score=0.03,
        page_marks=tuple(marks),
    )


def test_the_sentence_that_has_the_words_of_the_question_is_quoted_word_for_word() -> None:
    [quote] = quotes("How hot may a bearing get, what temperature?", [passage(HALL)], {})
    assert "Bearing temperature must stay below 85 degrees Celsius." in quote.text
    assert quote.text in HALL
    assert (quote.document, quote.document_id) == ("kestrel.pdf", "kestrel")


def test_a_quote_names_the_page_of_its_sentence() -> None:
    [early] = quotes("When was the turbine hall built?", [passage(HALL, pages=2)], {})
    [late] = quotes("When does the canteen open?", [passage(HALL, pages=2)], {})
    assert (early.page_start, late.page_end) == (4, 5)


def test_a_rare_word_decides_and_a_common_one_does_not() -> None:
    text = (
        "The controller controls the controller of the plant. Each plant has a plant controller. "
        "The lamp burns kerosene. Nothing else is said here."
    )
    held = {"plant": 900, "controller": 700, "kerosene": 1}
    [quote] = quotes("Does the plant controller burn kerosene?", [passage(text)], held)
    assert "kerosene" in quote.text


def test_a_word_that_the_search_does_not_count_decides_nothing() -> None:
    """The "s" of "crane's" is no word that anyone asks for, and neither is "R" alone."""
    text = (
        "The driver's cabin, the fitter's bench and the keeper's desk are heated. "
        "Seen from the yard they are dark. The crane lifts forty tonnes. It was tested in June."
    )
    [quote] = quotes("What is the crane's load?", [passage(text)], {"crane": 40, "load": 15})
    assert "forty tonnes" in quote.text


def test_each_passage_gives_one_quote_at_most_and_poor_ones_give_none() -> None:
    found = [
        passage("Bearings stay below 85 degrees. They are oiled in spring.", document="a.md"),
        passage("Bearings above 85 degrees trip the turbine. It stops then.", document="b.md"),
        passage("The canteen serves fish on Fridays. It opens at noon.", document="c.md"),
    ]
    given = quotes("Which degrees do bearings bear?", found, {})
    assert [quote.document for quote in given] == ["a.md", "b.md"]


def test_no_more_than_three() -> None:
    found = [passage(f"Lamp number {n} burns oil in the tower.", document=f"{n}.md") for n in range(9)]
    assert len(quotes("Which lamp burns oil?", found, {})) == 3


@pytest.mark.parametrize("text", ["word " * 900, "wort" * 2000])
def test_a_quote_is_short_whatever_the_document_calls_a_sentence(text: str) -> None:
    for quote in quotes("word", [passage(text)], {}):
        assert len(quote.text) <= 410


CHAPTER = "第3章 " + "灯台の灯火は海面から四十メートルの高さにあり、" * 30 + "毎晩点灯される。"


def test_a_long_sentence_of_a_language_without_blanks_is_quoted_to_its_full_length() -> None:
    [quote] = quotes("灯台の灯火の高さ", [passage(CHAPTER)], {})
    assert quote.text.endswith(" …")
    assert len(quote.text) > 390
    assert quote.text.removesuffix(" …") in CHAPTER


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("灯台は岬にある。灯火の高さは四十メートルである。霧の日は鐘を鳴らす。", "灯火の高さは何か"),
        ("灯塔位于海角。灯光高出海面四十米。雾天要敲钟。", "灯光有多高"),
        ("ประภาคารอยู่บนแหลม\nโคมไฟสูงสี่สิบเมตรเหนือทะเล\nเมื่อมีหมอกให้ตีระฆัง", "โคมไฟสูงเท่าไร"),
        (
            "The lamp stands  forty metres high.\n\nIt is lit at dusk. The bell rings in fog.",
            "How high is the lamp?",
        ),
        ("المنارة على الرأس. يرتفع المصباح أربعين مترا فوق البحر. يدق الجرس في الضباب.", "ارتفاع المصباح"),
    ],
)
def test_a_quote_is_verbatim_in_any_language(text: str, query: str) -> None:
    [quote] = quotes(query, [passage(text)], {})
    assert " ".join(quote.text.split()) in " ".join(text.split())


@pytest.mark.parametrize("answer_first", [True, False])
def test_the_sentence_that_answers_is_quoted_whole_though_its_neighbour_is_long(answer_first: bool) -> None:
    answer = "The bearing temperature must stay below 85 degrees Celsius."
    long = f"The hall has {'cranes, lathes, drills, ' * 30}and a canteen."
    text = f"{answer} {long}" if answer_first else f"{long} {answer}"
    [quote] = quotes("How hot may a bearing get, what temperature?", [passage(text, pages=2)], {})
    assert quote.text == answer
    assert quote.page_start == (4 if answer_first else 5)


def test_other_words_for_the_same_thing_still_give_a_quote() -> None:
    """The passage was found by its vector and shares no word with the question."""
    [quote] = quotes("Whither goest thou?", [passage(HALL)], {})
    assert quote.text in HALL


def test_nothing_found_quotes_nothing() -> None:
    assert quotes("anything", [], {}) == ()
    assert quotes("anything", [passage("  ")], {}) == ()
