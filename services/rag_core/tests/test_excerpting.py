"""The excerpts of passages that a model reads when it cannot read them whole."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from rag_core.answering import excerpting, prompt, quoting
from rag_core.models import Passage

QUESTION = "How hot may a bearing get, what temperature?"
HALL = (
    "The turbine hall was built in 1963. It has two cranes of forty tonnes each. "
    "Visitors wear a helmet at all times. The canteen opens at noon for everybody. "
    "Bearing temperature must stay below 85 degrees Celsius. Above that the turbine trips by itself. "
    "Lamps burn kerosene from the store. The keeper climbs the tower each night."
)
ANSWER = "Bearing temperature must stay below 85 degrees Celsius. Above that the turbine trips by itself."


def excerpts(
    query: str, passages: Sequence[Passage], held: Mapping[str, int], most: int, room: int
) -> tuple[list[Passage], list[Passage]]:
    return excerpting.excerpts(quoting.ranked(query, passages, held), passages, most, room)


def passage(text: str, *, document: str = "kestrel.pdf", title: str = "") -> Passage:
    return Passage(
        document_id=document, document=document, title=title, page_start=4, page_end=5, text=text, score=0.1
    )


def size(shown: list[Passage]) -> int:
    return sum(prompt.tokens(prompt.defused(one.text)) + prompt.around(one) for one in shown)


def test_passages_that_fit_are_read_whole() -> None:
    found = [passage(HALL), passage("The canteen serves fish.", document="b.md")]
    assert excerpts(QUESTION, found, {}, 1000, 3000) == (found, found)


def test_the_sentence_that_answers_is_read_wherever_it_stands_and_what_is_left_out_is_marked() -> None:
    whole = passage(HALL)
    [shown], [given] = excerpts(QUESTION, [whole], {}, 60, 200)
    assert shown.text.startswith("… ")
    assert shown.text.endswith(f"{ANSWER} …")
    assert "1963" not in shown.text
    assert given == whole, "an answer is checked against the passage, not against what was read of it"
    assert shown.model_copy(update={"text": whole.text}) == whole


def test_sentences_keep_the_order_of_their_document() -> None:
    between = " ".join(f"Nothing of note is said in sentence {n} of this page." for n in range(20))
    text = f"It has two cranes of forty tonnes each. {between} Lamps burn kerosene. {between}"
    [shown], _ = excerpts("Is kerosene near the cranes?", [passage(text)], {}, 100, 300)
    assert shown.text.index("cranes") < shown.text.index(" … ") < shown.text.index("kerosene")


def test_a_sentence_that_two_passages_say_is_read_once() -> None:
    found = [passage(HALL), passage(HALL.replace("1963", "1964"), document="copy.pdf")]
    shown, _ = excerpts(QUESTION, found, {}, 120, 400)
    assert " ".join(one.text for one in shown).count("below 85 degrees") == 1


def test_one_word_makes_another_sentence() -> None:
    found = [
        passage(f"Dogs are {rule} in the reading room of the north hall. " + HALL, document=f"{rule}.md")
        for rule in ("allowed", "not allowed")
    ]
    shown, _ = excerpts("Are dogs allowed in the reading room?", found, {}, 200, 400)
    text = " ".join(one.text for one in shown)
    assert "Dogs are allowed" in text
    assert "Dogs are not allowed" in text


def test_a_row_of_a_table_brings_the_head_of_its_table() -> None:
    rows = "\n".join(f"Pump {n} | {n * 10} bar | oil {n}" for n in range(1, 30))
    table = passage(f"The pumps of the plant are these.\nName | Pressure | Oil\n{rows}")
    [shown], _ = excerpts("What pressure has pump 17?", [table], {}, 90, 300)
    assert "Name | Pressure | Oil" in shown.text
    assert "Pump 17 | 170 bar" in shown.text
    assert "Pump 3 |" not in shown.text


@pytest.mark.parametrize("room", [100, 150, 200, 300, 450, 600])
@pytest.mark.parametrize(
    "text", [HALL, "word " * 900, "\u6587\u6863\u68c0\u7d22\u3002" * 90, "a | b\n" * 300]
)
def test_what_is_read_fits(text: str, room: int) -> None:
    shown, given = excerpts(QUESTION, [passage(text), passage(HALL, document="b.md")], {}, room, room)
    assert 0 < size(shown) <= room
    assert [one.document for one in shown] == [one.document for one in given]


def test_nothing_found_is_nothing_to_read() -> None:
    assert excerpts(QUESTION, [], {}, 1000, 3000) == ([], [])
