"""Text that every page of an OpenDocument file repeats: headers, footers, the words on a slide's master."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from rag_core.extract.opendocument_names import DRAW, PRESENTATION, STYLE, TEXT, Source
from rag_core.extract.opendocument_text import FIELDS, Flow

_WORD = re.compile(r"\w+")
# Placeholders ("Click to edit the title text format") are shown on no slide.
_SHOWN = {None, "header", "footer", "date-time", "page-number"}


def running(source: Source, flow: Flow) -> Iterator[str]:
    """Yield the lines of each master page that the document uses, each once."""
    text: dict[str, None] = {}
    for paragraph in [*_paragraphs(source), *_declared(source)]:
        if _counts(paragraph, line := flow.words(paragraph, fields=False)):
            text[line] = None
    yield from text


def _paragraphs(source: Source) -> Iterator[Any]:
    masters = list(source.styles.iter(f"{STYLE}master-page"))
    used = {
        one.get(name)
        for root in (source.content, source.styles)
        for one in root.iter(f"{STYLE}style", f"{DRAW}page")
        for name in (f"{STYLE}master-page-name", f"{DRAW}master-page-name")
    }
    for place, master in enumerate(masters):
        first = place == 0 and source.content.find(".//{*}body/{*}text") is not None
        if not first and master.get(f"{STYLE}name") not in used:
            continue
        for part in master:
            if not isinstance(part.tag, str) or part.get(f"{STYLE}display") == "false":
                continue
            if part.tag == f"{PRESENTATION}notes" or part.get(f"{PRESENTATION}class") not in _SHOWN:
                continue
            yield from part.iter(f"{TEXT}p", f"{TEXT}h")


def _declared(source: Source) -> Iterator[Any]:
    """Yield the footers that slides refer to; the file stores each of them once."""
    used = {
        page.get(f"{PRESENTATION}use-{kind}-name")
        for page in source.content.iter(f"{DRAW}page")
        for kind in ("header", "footer", "date-time")
    }
    for kind in ("header", "footer", "date-time"):
        for one in source.content.iter(f"{PRESENTATION}{kind}-decl"):
            if one.get(f"{PRESENTATION}name") in used:
                yield one


def _counts(paragraph: Any, line: str) -> bool:
    """Whether a line says more than its page number ("Page 3 of 9")."""
    words = [word for word in _WORD.findall(line) if not word.isdigit()]
    return len(words) > (2 if any(True for _ in paragraph.iter(*FIELDS)) else 0)
