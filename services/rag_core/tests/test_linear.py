"""No text, however it is made, takes more time than in proportion to its length.

Every regular expression of the services is collected and fed texts made of its own pieces, and every function
that documents, questions or answers reach is fed floods. Only processor time counts, and how it grows.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import landing
import rag_app
import rag_core
import rag_worker
import web_core
from rag_app.ui import markup
from rag_core import (
    citing,
    claims,
    encoding,
    followups,
    joined,
    measure,
    prompt,
    relevance,
    retrieval,
    routing,
    sentences,
    signatures,
    sniff,
    words,
)
from rag_core.chunk import Chunker
from rag_core.extract import blobs, html, mail, number_format, text
from rag_core.extract.blocks import Block, BlockKind, blocks, clean, tables
from rag_core.hits import Hit
from rag_core.loss import LossMeter
from rag_core.models import Passage
from services.rag_core.tests.growth import attacks, superlinear

PACKAGES = (rag_core, web_core, rag_app, rag_worker, landing)
# Patterns that are put together when they are used: of our own settings and constants, not of texts.
PUT_TOGETHER = {"index_writing.py", "document.py"}


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def of_modules() -> Iterator[tuple[str, re.Pattern[Any], bool]]:
    """Every pattern that a module holds, alone or within something, and whether it is tried once only."""
    for module in modules():
        held = {name: found for name, value in vars(module).items() if (found := list(within(value)))}
        anchored = only_at_the_beginning(module) if held else set()
        for name, found in held.items():
            yield from ((f"{module.__name__}.{name}", one, name in anchored) for one in found)


def only_at_the_beginning(module: ModuleType) -> set[str]:
    """The private names on which nothing but `match` and `fullmatch` is ever called."""
    tree = ast.parse(Path(str(module.__file__)).read_text())
    uses = Counter(node.id for node in ast.walk(tree) if isinstance(node, ast.Name))
    called = Counter(
        node.value.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.attr in ("match", "fullmatch")
    )
    # One more use is where it is assigned.
    return {name for name in called if name.startswith("_") and called[name] == uses[name] - 1}


def within(value: object) -> Iterator[re.Pattern[Any]]:
    if isinstance(value, re.Pattern):
        yield value
    elif isinstance(value, dict):
        for one in (*value, *value.values()):
            yield from within(one)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for one in value:
            yield from within(one)


def of_calls() -> Iterator[tuple[str, re.Pattern[Any], bool]]:
    """Every pattern that is written where it is used, as in re.sub, and whether it is tried once only."""
    for package in PACKAGES:
        for path in Path(package.__path__[0]).rglob("*.py"):
            tree = ast.parse(path.read_text())
            held = {
                id(node)
                for statement in tree.body
                if not isinstance(statement, (ast.FunctionDef, ast.ClassDef))
                for node in ast.walk(statement)
            }
            for call in ast.walk(tree):
                # What is compiled when the module is loaded, `of_modules` has.
                if id(call) in held or not (
                    isinstance(call, ast.Call)
                    and isinstance(call.func, ast.Attribute)
                    and isinstance(call.func.value, ast.Name)
                    and call.func.value.id == "re"
                    and call.func.attr not in ("escape", "purge")
                ):
                    continue
                first = call.args[0]
                if isinstance(first, ast.Constant):
                    once = call.func.attr in ("match", "fullmatch")
                    yield f"{path.name}:{call.lineno}", re.compile(first.value), once
                else:
                    assert path.name in PUT_TOGETHER, f"{path}:{call.lineno}: not a plain pattern"


def collected() -> dict[str, tuple[re.Pattern[Any], bool]]:
    found: dict[str, tuple[re.Pattern[Any], bool]] = {}
    seen: set[tuple[Any, int, bool]] = set()
    for name, pattern, once in (*of_modules(), *of_calls()):
        key = (pattern.pattern, pattern.flags, once)
        if key not in seen:
            seen.add(key)
            found[name] = pattern, once
    return found


PATTERNS = collected()


def test_every_pattern_is_collected() -> None:
    assert len(PATTERNS) > 50
    assert {"rag_core.sentences._END", "rag_core.extract.text._FENCE"} <= set(PATTERNS)


def faults(pattern: re.Pattern[Any], once: bool) -> Iterator[str]:
    """The texts that take a pattern more time than their length accounts for."""
    is_bytes = isinstance(pattern.pattern, bytes)

    def on(beginning: str, unit: str, end: str, size: int) -> Callable[[], object]:
        whole: Any = beginning + unit * (size // len(unit)) + end
        whole = whole.encode("latin-1", "replace") if is_bytes else whole
        if once:
            return lambda: (pattern.match(whole), pattern.fullmatch(whole))
        return lambda: (sum(1 for _ in pattern.finditer(whole)), pattern.fullmatch(whole))

    for beginning, unit, end in attacks(pattern):
        if fault := superlinear(partial(on, beginning, unit, end)):
            yield f"{beginning!r} + {unit!r} * n + {end!r}: {fault}"


# The first read the headings of Markdown here once.
@pytest.mark.parametrize(
    "bad",
    [r"^ {0,3}(#{1,6})\s+(.*?)\s*#*\s*$", r"(a+)+$", r"\s+$", r"(\w+\s?)*:", r"<!--.*?-->", rb"\d+\D*\d+x"],
)
@pytest.mark.parametrize("once", [False, True])
def test_a_bad_pattern_is_found(bad: str | bytes, once: bool) -> None:
    anchored = once and bad in (r"\s+$", r"<!--.*?-->")
    assert anchored != any(faults(re.compile(bad), once))


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_is_linear(name: str) -> None:
    pattern, once = PATTERNS[name]
    fault = next(faults(pattern, once), None)
    assert fault is None, fault


Work = Callable[[str], object]
# Below these, limits such as a chunk's size make steps.
FUNCTION_FLOOR = 0.02
FUNCTION_SIZES = (24, 100, 400, 1600, 6400)
FLOODS = [
    *(
        "A. ",
        "a.",
        ". ",
        '." ',
        ")",
        "( ",
        "\n",
        " ",
        "\u3000",
        "\u200b",
        "\t",
        "[1] ",
        "[",
        "1 ",
        "1,",
        "1 000 ",
    ),
    *(
        "# ",
        "#",
        "| ",
        "no ",
        "not a ",
        "a and ",
        "one ",
        "a",
        "e.g. ",
        "-",
        "\u6587",
        "\u3002",
        "\u6587\u3002",
    ),
    *(
        "\u0301",
        "a\u0301",
        "<",
        "<|",
        "`",
        "=\n",
        "a, ",
        "; ",
        "\U0001f600",
        "\ue000",
        "<b>",
        "1. ",
        "a b c d ",
    ),
]


def passage(content: str) -> Passage:
    return Passage(
        document_id="d", document="d", title="T", page_start=1, page_end=1, text=content, score=0.1
    )


def chunked(content: str, kind: BlockKind) -> None:
    meter = LossMeter()

    def seen() -> Iterator[Block]:
        for block in blocks(kind, content, 1, 1):
            meter.seen(block)
            yield block

    for chunk in Chunker(240).chunks(seen()):
        meter.kept(chunk)
    assert meter.words_lost == 0


def hit(content: str) -> Hit:
    return Hit(
        chunk_id="d-000000",
        document_id="d",
        ordinal=0,
        title="",
        text=content,
        page_start=1,
        page_end=1,
        page_marks=(),
        score=1.0,
        similarity=None,
        bm25_score=None,
        bm25_rank=None,
        vector_rank=None,
    )


def on(work: Work, unit: str, size: int) -> Callable[[], object]:
    whole = (unit * (size // len(unit) + 1))[:size] + "x"
    return lambda: work(whole)


FUNCTIONS: dict[str, Work] = {
    "clean": clean,
    "blocks of text": lambda s: chunked(s, BlockKind.TEXT),
    "blocks of code": lambda s: chunked(s, BlockKind.CODE),
    "blocks of tables": lambda s: chunked(s, BlockKind.TABLE),
    "headings": lambda s: chunked(s, BlockKind.HEADING),
    "a table": lambda s: list(tables(iter([["head"], *([s[i : i + 50]] for i in range(0, len(s), 50))]), 1)),
    "blobs": blobs.without,
    "a page of HTML": lambda s: list(html.read(s, 1)[1]),
    "a cell of HTML": lambda s: list(html.read(f"<table><tr><td>{s}<td>x</table>", 1)[1]),
    "a number format": lambda s: (number_format._sections.cache_clear(), number_format.shown(1.5, s)),
    "encodings": lambda s: encoding.decoded(s.encode("utf-8")),
    "signatures": lambda s: signatures.named(s.encode("utf-8")),
    "delimiters": lambda s: sniff.delimiter(s, sure=True),
    "an answer's markup": lambda s: markup.html(s, [(s[:300], True)]),
    "fences": lambda s: prompt.without_fences(s, "a1b2c3"),
    "sentences": sentences.split,
    "measure": measure.count,
    "measure's cut": lambda s: measure.cut(s, 500),
    "measure's windows": lambda s: measure.windows(s, 200, 24),
    "words": words.words,
    "spans": lambda s: words.spans(s, "word a one"),
    "identifiers": words.identifiers,
    "without stop words": words.without_stop_words,
    "topics": words.topics,
    "tokens of a prompt": prompt.tokens,
    "defused": prompt.defused,
    "passages of a prompt": lambda s: prompt.fitting([passage(s)], 1000, 3000),
    "history": lambda s: prompt.remembered([(s, s)], 300),
    "numbers of a claim": claims.numbers,
    "without numbers": claims.without_numbers,
    "support of a short claim": lambda s: claims.supported("The lamp is not lit by 12 people.", s),
    "clauses": joined.clauses,
    "citing a flood": lambda s: citing.cite(s, [passage("The lamp is lit by 12 people.")], None),
    "citing from a flood": lambda s: citing.cite("The lamp is lit by 12 people.", [passage(s)], None),
    "a follow-up": lambda s: followups.standalone(s, [(s, s)]),
    "a route": lambda s: routing.route(s, models=["a"], large="b", chosen=None),
    "what a question asks for": relevance.telling,
    "repeats": lambda s: retrieval.without_repeats([hit(s), hit(s + "x")]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_linear(name: str) -> None:
    work = FUNCTIONS[name]
    for unit in FLOODS:
        fault = superlinear(partial(on, work, unit), FUNCTION_SIZES, FUNCTION_FLOOR)
        assert fault is None, f"{unit!r} * n: {fault}"


# What HTML may be flooded with beside text: tags that nest, that stand side by side, that are never closed.
TAGS = (
    *(
        "<",
        "<a",
        "</div>",
        "<!--",
        "&",
        "<b>",
        "<div>",
        "<p>",
        "<li>",
        "<ul><li>",
        "<table>",
        "<table><tr><td>",
    ),
    *("<td><div>a", "<h1>", "<h1>a</h1>", "<pre>", "<pre>a</pre>", "<noscript>", "<noscript>a</noscript>"),
    *(
        "<select>",
        "<select><option>a",
        "<br>",
        "a<br>",
        "<input value=a>",
        "<img alt=a>",
        "<nav>",
        "<nav>a</nav>",
    ),
    *("<script>", "<title>", "<svg><title>a", "<td rowspan=9>a"),
)


@pytest.mark.parametrize("around", ["{}", "<table><tr><td>{}<td>x</table>"])
def test_html_is_linear(around: str) -> None:
    for unit in TAGS:

        def on(size: int, unit: str = unit) -> Callable[[], object]:
            markup = around.format(unit * size)
            return lambda: list(html.read(markup, 1)[1])

        fault = superlinear(on, (12, 50, 200, 800, 2400), FUNCTION_FLOOR)
        assert fault is None, f"{unit!r} * n: {fault}"


PARSERS: dict[str, tuple[str, Callable[[Path], Iterator[Any]]]] = {
    "markdown": ("", lambda path: text.parse(path, markdown=True)),
    "text": ("", lambda path: text.parse(path, markdown=False)),
    "mail": ("From: a@example.org\nSubject: x\n\n", lambda path: mail.parse(path, lambda *_: iter(()))),
    "sniffing": ("x", lambda path: iter([sniff.sniff(path, "x.txt")])),
}
LINES: Sequence[str] = ["# {}x", "# {}#x", "{}", "x{}", "| {}", "``` {}"]


@pytest.mark.parametrize("name", PARSERS)
def test_parser_is_linear(name: str, tmp_path: Path) -> None:
    beginning, parse = PARSERS[name]
    path = tmp_path / "flood"

    def on(line: str, unit: str, size: int) -> Callable[[], object]:
        path.write_text(f"{beginning}{line.format(unit * (size // len(unit)))}\n\nx\n")
        return lambda: list(parse(path))

    for line in LINES:
        for unit in (" ", "# ", "#", "| ", "|", "- ", "=", "`", "\n", "\u3000", "a ", ") ", "\t"):
            fault = superlinear(partial(on, line, unit), FUNCTION_SIZES, FUNCTION_FLOOR)
            assert fault is None, f"{line!r} with {unit!r}: {fault}"


@pytest.mark.parametrize("code", ["0." + "0" * 40, "0." + "0" * 252, "0." + "0" * 300])
def test_a_format_of_more_places_than_a_number_has_still_shows_it(code: str) -> None:
    assert number_format.shown(1.5, code).rstrip("0") == "1.5"


@pytest.mark.parametrize("code", ["0" + "%" * 200, "0" + "," * 200])
def test_a_format_that_no_number_fits_leaves_it(code: str) -> None:
    assert number_format.shown(1.5, code) == "1.5"
