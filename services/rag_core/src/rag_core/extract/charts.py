"""Charts of Office files: the figures behind each series, whatever draws them; and the words of diagrams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from rag_core.extract.blocks import BlockKind, Item, Note, Part, blocks, tables

_MOST_POINTS = 2_000


def parsed(data: bytes) -> Any:
    """The root of a part's XML; no entity and no address in it is followed. None when it is damaged."""
    try:
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
    except (etree.XMLSyntaxError, ValueError):
        return None


def chart(data: bytes, page: int) -> Iterator[Item]:
    """A chart's figures as tables: series with the same categories share one."""
    root = parsed(data)
    if root is None:
        yield Note(Part.CHART, read=False, message=f"page {page}: a chart that is damaged")
        return
    found = root.find(".//{*}chart/{*}title")
    title = _text(found) if found is not None else ""
    groups: dict[tuple[str, ...], list[tuple[str, list[str]]]] = {}
    for series in root.iter("{*}ser"):
        name = " ".join(_points(series.find("{*}tx")))
        keys = _points(series.find("{*}cat")) or _points(series.find("{*}xVal"))
        values = _points(series.find("{*}val")) or _points(series.find("{*}yVal"))
        sizes = _points(series.find("{*}bubbleSize"))
        keys = keys or [str(number) for number in range(1, len(values) + 1)]
        groups.setdefault(tuple(keys), []).append((name, values))
        if sizes:
            groups[tuple(keys)].append((f"{name} (size)", sizes))
    # The newer kinds (waterfall, sunburst...) keep their data apart from the series.
    newer = [_points(one) for one in root.iter("{*}strDim", "{*}numDim")]
    if newer and not groups:
        groups[tuple(newer[0])] = [("", values) for values in newer[1:]]
    if not groups:
        yield from blocks(BlockKind.TEXT, title, page)
        return
    yield Note(Part.CHART)
    for names, series_of in groups.items():
        head = [title, *(name for name, _ in series_of)]
        rows = (
            [key, *(values[i] if i < len(values) else "" for _, values in series_of)]
            for i, key in enumerate(names)
        )
        yield from tables([head, *rows], page)


def diagram(data: bytes, page: int) -> Iterator[Item]:
    """The words of a diagram (SmartArt), one line for each of its shapes."""
    root = parsed(data)
    if root is None:
        yield Note(Part.TEXT, read=False, message=f"page {page}: a diagram that is damaged")
        return
    lines = (
        " ".join(filter(None, (_text(one) for one in point.iter("{*}p")))) for point in root.iter("{*}pt")
    )
    yield from blocks(BlockKind.TEXT, "\n".join(f"- {line}" for line in lines if line), page)


def _points(holder: Any | None) -> list[str]:
    """The cached values of a reference, by their places."""
    if holder is None:
        return []
    found: dict[int, str] = {}
    for point in holder.iter("{*}pt"):
        index = str(point.get("idx", len(found)))
        text = point.findtext("{*}v") or point.text or ""
        if index.isdigit() and int(index) < _MOST_POINTS:
            found[int(index)] = _number(text.strip())
    if not found and (plain := holder.findtext("{*}v")):
        return [plain]
    return [found.get(number, "") for number in range(max(found, default=-1) + 1)]


def _number(text: str) -> str:
    """Figures as people write them: 0.1 and not 0.10000000000000001."""
    try:
        value = float(text)
    except ValueError:
        return text
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.10g}"


def _text(element: Any) -> str:
    return "".join(one.text or "" for one in element.iter("{*}t")).strip()
