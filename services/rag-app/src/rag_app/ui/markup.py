"""Turns a model's Markdown into HTML from an allow-list, using a single real tokenizer.

Links, images, raw HTML, autolinks in angle brackets and reference definitions are not parsed: they stay plain
text. See docs/decisions/0083-one-markdown-tokenizer.md.
"""

import re
from collections import deque
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.rules_inline import StateInline
from markdown_it.token import Token

from rag_app.ui.formatting import inert, printable

CITE: Final = "cite"
_DEEPEST = 60
_DOUBT = '<sup class="rd-doubt" title="No passage supports all of this sentence">?</sup>'
_MARK = re.compile(r"\[(\d{1,2}(?:[ \t]{0,3},[ \t]{0,3}\d{1,2}){0,20})\]")
_NOT_READ = ("link", "image", "autolink", "html_inline", "html_block", "reference")
_TAGS = frozenset(
    "p h1 h2 h3 h4 h5 h6 ul ol li blockquote table thead tbody tr th td strong em s".split()  # noqa: SIM905
)


def _cite(state: StateInline, silent: bool) -> bool:
    """Parse [1] or [1, 2], the citation marks. A space precedes each; in x[1] it is an index."""
    found = _MARK.match(state.src, state.pos)
    if found is None or state.src[max(0, state.pos - 1) : state.pos] != " ":
        return False
    if not silent:
        state.push(CITE, "", 0).content = found[1]
    state.pos = found.end()
    return True


def _reader() -> MarkdownIt:
    reader = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    reader.enable(["table", "strikethrough"]).disable(list(_NOT_READ))
    reader.inline.ruler.push(CITE, _cite)
    return reader


_READER = _reader()
_PLAIN_READER = MarkdownIt("zero")


def parse(written: str) -> list[Token]:
    """Tokenize a text that a model wrote.

    The tokenizer drops what is nested too deeply; such a text is read as paragraphs without any markup.
    """
    tokens = _READER.parse(written)
    return _PLAIN_READER.parse(written) if any(one.level >= _DEEPEST - 1 for one in tokens) else tokens


def html(written: str, sentences: Iterable[tuple[str, bool]] = ()) -> str:
    """The text as one line of HTML, with the doubtful ones of its `sentences` (in order) marked.

    The browser's Markdown treats text without a blank line as one HTML block and leaves it unchanged.
    """
    tokens = parse(written)
    return _Writer(_Doubts(_places(tokens, sentences))).blocks(tokens)


def marks(numbers: str) -> list[str]:
    """The numbers in a citation mark."""
    return [number.strip() for number in numbers.split(",")]


class _Doubts:
    """Marks ranges of the text as doubtful; a range is given by letter offsets."""

    def __init__(self, stretches: Sequence[tuple[int, int]]) -> None:
        self._left = deque(stretches)
        self._at = 0

    def mark(self, text: str) -> str:
        """The next piece of text as HTML. A range that spans several pieces is marked in each of them."""
        shown: list[str] = []
        run: list[str] = []
        ending = False
        on = bool(self._left) and self._left[0][0] < self._at

        def flush(*, last: bool = False) -> None:
            piece = _shown("".join(run))
            run.clear()
            shown.append(f'<span class="rd-unsupported">{piece}</span>' if on and piece else piece)
            if last:
                self._left.popleft()
                shown.append(_DOUBT)

        for character in text:
            letter = character.isalnum()
            if ending and (letter or character.isspace()):
                # The punctuation that ends a sentence follows its last letter.
                flush(last=True)
                on = ending = False
            if letter:
                if not on and self._left and self._at == self._left[0][0]:
                    flush()
                    on = True
                self._at += 1
                ending = on and self._at == self._left[0][1]
            run.append(character)
        flush(last=ending)
        return "".join(shown)

    def skip(self, text: str) -> None:
        """Skip code, in which nothing is marked."""
        self._at += len(_letters(text))
        while self._left and self._left[0][0] < self._at:
            self._left.popleft()


class _Writer:
    """Writes tokens as HTML. A token type not listed here comes out as plain text."""

    def __init__(self, doubts: _Doubts) -> None:
        self._doubts = doubts

    def blocks(self, tokens: Sequence[Token]) -> str:
        """Blocks, one after the other."""
        return "".join(self._block(token) for token in tokens)

    def _block(self, token: Token) -> str:
        match token.type:
            case "inline":
                return "".join(self._inline(child) for child in token.children or ())
            case "fence" | "code_block":
                self._doubts.skip(token.content)
                return f"<pre><code>{_code(token.content)}</code></pre>"
            case "hr":
                return "<hr>"
        return "" if token.hidden else self._tag(token)

    def _inline(self, token: Token) -> str:
        match token.type:
            case "softbreak" | "hardbreak":
                return "<br>"
            case "code_inline":
                return f"<code>{self._doubts.mark(token.content)}</code>"
            case "cite":
                return "".join(_button(number) for number in marks(token.content))
            case "text":
                return self._doubts.mark(token.content)
        return self._tag(token)

    def _tag(self, token: Token) -> str:
        if token.tag not in _TAGS or not token.nesting:
            return _shown(token.content)
        if token.nesting < 0:
            return f"</{token.tag}>"
        start = token.attrGet("start")
        return f'<{token.tag} start="{start}">' if isinstance(start, int) else f"<{token.tag}>"


def _button(number: str) -> str:
    # Gradio's sanitiser keeps classes, values and titles, and drops data and aria attributes.
    return f'<button class="rd-cite" value="{number}" title="Read source {number}">{number}</button>'


def _shown(text: str) -> str:
    return inert(escape(printable(text), quote=False))


def _code(content: str) -> str:
    return "&#10;".join(_shown(line) for line in content.removesuffix("\n").split("\n"))


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _pieces(tokens: Sequence[Token]) -> list[str]:
    """The visible text, block by block; includes code, since sentences were also taken from it."""
    pieces: list[str] = []
    for token in tokens:
        if token.type in {"fence", "code_block"}:
            pieces.append(token.content)
        for child in token.children or ():
            pieces.append(child.content if child.type in {"text", "code_inline"} else "")
    return pieces


def _places(tokens: Sequence[Token], sentences: Iterable[tuple[str, bool]]) -> list[tuple[int, int]]:
    """Letter offsets of the doubtful sentences; Markdown's own characters are not compared."""
    pieces = _pieces(tokens)
    text = "".join(_letters(piece) for piece in pieces)
    begins, ends = _edges(pieces)
    places: list[tuple[int, int]] = []
    at = 0
    for sentence, in_doubt in sentences:
        letters = "".join(_letters(piece) for piece in _pieces(parse(sentence)))
        start = text.find(letters, at) if letters else -1
        while start >= 0 and not (start in begins and start + len(letters) in ends):
            start = text.find(letters, start + 1)
        if start >= 0:
            at = start + len(letters)
            if in_doubt:
                places.append((start, at))
    return places


def _edges(pieces: Sequence[str]) -> tuple[set[int], set[int]]:
    """Letter offsets at which words begin and end."""
    begins: set[int] = set()
    ends: set[int] = set()
    count = 0
    for piece in pieces:
        before = False
        for character in piece:
            letter = character.isalnum()
            if letter and not before:
                begins.add(count)
            if before and not letter:
                ends.add(count)
            count += letter
            before = letter
        if before:
            ends.add(count)
    return begins, ends
