"""No text, however crafted, takes more than linear time.

Every regular expression of the services is collected and run on texts built from its own pieces, and every
function that documents, questions or answers reach is run on floods of input. Only the growth of the CPU time
counts.
"""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
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
from rag_core.answering import followups, prompt, routing
from rag_core.extract import html, text
from rag_core.extract.blocks import Block, BlockKind, blocks, clean, tables
from rag_core.extract.chunk import Chunker
from rag_core.index.hits import Hit
from rag_core.ingest.loss import LossMeter
from rag_core.models import Passage
from rag_core.retrieval import relevance, retriever
from rag_core.support import citing, claims, clauses
from rag_core.text import sentences, tokens, words
from services.rag_core.tests.growth import attacks, superlinear

PACKAGES = (rag_core, web_core, rag_app, rag_worker, landing)
# Files that build patterns at run time: from our own settings and constants, not from texts.
PUT_TOGETHER = {"reader.py"}


def modules() -> Iterator[ModuleType]:
    for package in PACKAGES:
        yield package
        for found in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            if not found.name.endswith("__main__"):
                yield importlib.import_module(found.name)


def of_modules() -> Iterator[tuple[str, re.Pattern[Any]]]:
    """Yield every pattern in a module's globals, alone or inside a container."""
    for module in modules():
        for name, value in vars(module).items():
            yield from ((f"{module.__name__}.{name}", one) for one in within(value))


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
    """Yield every inline pattern, as in re.sub(r"...", ...), and whether it is tried at only one position."""
    for package in PACKAGES:
        for path in Path(package.__path__[0]).rglob("*.py"):
            tree = ast.parse(path.read_text())
            # Patterns compiled at module level are found by `of_modules`, however they are built.
            inner = {
                call
                for function in ast.walk(tree)
                if isinstance(function, (ast.FunctionDef, ast.Lambda))
                for call in ast.walk(function)
            }
            for call in ast.walk(tree):
                if not (
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
                    assert call not in inner or path.name in PUT_TOGETHER, (
                        f"{path}:{call.lineno}: compile the pattern when the module is loaded"
                    )


def collected() -> dict[str, tuple[re.Pattern[Any], bool]]:
    found: dict[str, tuple[re.Pattern[Any], bool]] = {}
    seen: set[tuple[Any, int, bool]] = set()
    for name, pattern, once in (*((*one, False) for one in of_modules()), *of_calls()):
        key = (pattern.pattern, pattern.flags, once)
        if key not in seen:
            seen.add(key)
            found[name] = pattern, once
    return found


PATTERNS = collected()


def test_every_pattern_is_collected() -> None:
    assert len(PATTERNS) > 50
    assert {"rag_core.text.sentences._END", "rag_core.extract.text._FENCE"} <= set(PATTERNS)


@pytest.mark.parametrize("name", PATTERNS)
def test_pattern_is_linear(name: str) -> None:
    pattern, once = PATTERNS[name]
    is_bytes = isinstance(pattern.pattern, bytes)

    def on(beginning: str, unit: str, end: str, size: int) -> Callable[[], object]:
        whole: Any = beginning + unit * (size // len(unit)) + end
        whole = whole.encode("latin-1", "replace") if is_bytes else whole
        if once:
            return lambda: (pattern.match(whole), pattern.fullmatch(whole))
        return lambda: (sum(1 for _ in pattern.finditer(whole)), pattern.fullmatch(whole))

    for beginning, unit, end in attacks(pattern):
        fault = superlinear(partial(on, beginning, unit, end))
        assert fault is None, f"{beginning!r} + {unit!r} * n + {end!r}: {fault}"


Work = Callable[[str], object]
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
    "sentences": sentences.split,
    "measure": tokens.count,
    "measure's cut": lambda s: tokens.cut(s, 500),
    "measure's windows": lambda s: tokens.windows(s, 200, 24),
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
    "clauses": clauses.clauses,
    "citing a flood": lambda s: citing.cite(s, [passage("The lamp is lit by 12 people.")], None),
    "citing from a flood": lambda s: citing.cite("The lamp is lit by 12 people.", [passage(s)], None),
    "a follow-up": lambda s: followups.standalone(s, [(s, s)]),
    "a route": lambda s: routing.route(s, models=["a"], large="b", chosen=None),
    "what a question asks for": relevance.telling,
    "repeats": lambda s: retriever.without_repeats([hit(s), hit(s + "x")]),
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_function_is_linear(name: str) -> None:
    work = FUNCTIONS[name]
    for unit in FLOODS:
        fault = superlinear(partial(on, work, unit), size=3000, quick=0.1)
        assert fault is None, f"{unit!r} * n: {fault}"


PARSERS: dict[str, tuple[str, Callable[[Path], Iterator[Any]]]] = {
    "markdown": ("x\n", lambda path: text.parse(path, markdown=True)),
    "text": ("x\n", lambda path: text.parse(path, markdown=False)),
    "html": ("<!doctype html><p>x", html.parse),
}
LINES: Sequence[str] = ["# {}x", "# {}#x", "{}", "x{}", "| {}", "``` {}"]


@pytest.mark.parametrize("name", PARSERS)
def test_parser_is_linear(name: str, tmp_path: Path) -> None:
    beginning, parse = PARSERS[name]
    path = tmp_path / "flood"

    def on(line: str, unit: str, size: int) -> Callable[[], object]:
        path.write_text(beginning + line.format(unit * (size // len(unit))))
        return lambda: list(parse(path))

    for line in LINES:
        for unit in (" ", "# ", "#", "| ", "|", "- ", "=", "`", "\n", "\u3000", "a ", ") ", "\t"):
            fault = superlinear(partial(on, line, unit), size=4000, quick=0.05)
            assert fault is None, f"{line!r} with {unit!r}: {fault}"
