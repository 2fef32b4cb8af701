"""Charts of Office files: the figures of each series, whatever the chart type; and the words of diagrams."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from rag_core.extract.blocks import BlockKind, Item, Note, Part, blocks, tables
from rag_core.extract.number_format import shown

_MOST_POINTS = 20_000
# Categories -> names and values of the series over them.
_Groups = dict[tuple[str, ...], list[tuple[str, list[str]]]]


def parsed(data: bytes) -> Any:
    """Return the root of a part's XML, without resolving entities or addresses; None when it is damaged."""
    try:
        return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, recover=True))
    except (etree.XMLSyntaxError, ValueError):
        return None


def chart(data: bytes, page: int) -> Iterator[Item]:
    """Yield a chart's figures as tables; series with the same categories share one."""
    root = parsed(data)
    if root is None:
        yield Note(Part.CHART, read=False, message=f"page {page}: a chart that is damaged")
        return
    title = _title(root.find(".//{*}chart/{*}title"))
    groups = _series(root) or _newer(root)
    axes = [text for axis in root.iter("{*}valAx", "{*}catAx", "{*}dateAx", "{*}serAx", "{*}axis")
            if (text := _title(axis.find("{*}title")))]  # fmt: skip
    if axes:
        yield from blocks(
            BlockKind.TEXT, f"Axes of the chart {title}".rstrip() + f": {'; '.join(axes)}", page
        )
    if not groups:
        yield from blocks(BlockKind.TEXT, title, page)
        return
    beyond = sum(
        int(index) >= _MOST_POINTS
        for point in root.iter("{*}pt")
        if (index := str(point.get("idx"))).isdecimal()
    )
    if beyond:
        message = (
            f"page {page}: a chart of which only the first {_MOST_POINTS:,} points of each series were read"
        )
        yield Note(Part.CHART, beyond, read=False, message=message)
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


def _series(root: Any) -> _Groups:
    """Categories -> names and values of the series over them."""
    groups: _Groups = {}
    for series in root.iter("{*}ser"):
        name = " ".join(_points(series.find("{*}tx")))
        keys = _points(series.find("{*}cat")) or _points(series.find("{*}xVal"))
        values = _points(series.find("{*}val")) or _points(series.find("{*}yVal"))
        sizes = _points(series.find("{*}bubbleSize"))
        keys = keys or _counted(values)
        if not keys:
            continue
        groups.setdefault(tuple(keys), []).append((name, values))
        if sizes:
            groups[tuple(keys)].append((f"{name} (size)", sizes))
    return groups


def _newer(root: Any) -> _Groups:
    """The newer kinds (waterfall, sunburst...) keep their data apart from the series."""
    names = {
        str(one.get("val")): "".join(series.find("{*}tx").itertext()).strip()
        for series in root.iter("{*}series")
        if series.find("{*}tx") is not None
        for one in series.iter("{*}dataId")
    }
    groups: _Groups = {}
    for data in root.iter("{*}data"):
        keys = next((found for one in data.iterfind("{*}strDim") if (found := _points(one))), [])
        for dimension in data.iterfind("{*}numDim"):
            values = _points(dimension)
            name = names.get(str(data.get("id")), "")
            groups.setdefault(tuple(keys or _counted(values)), []).append((name, values))
    return groups


def _counted(values: list[str]) -> list[str]:
    return [str(number) for number in range(1, len(values) + 1)]


def _title(title: Any | None) -> str:
    """Return a title's text: its own, or that of the cell it refers to."""
    if title is None:
        return ""
    return (
        _text(title)
        or " ".join(_points(title.find(".//{*}strRef")))
        or (title.findtext(".//{*}v") or "").strip()
    )


def _points(holder: Any | None) -> list[str]:
    """Return the cached values of a reference in order; outer levels of categories come first."""
    if holder is None:
        return []
    levels = [_level(one) for one in holder.iter("{*}lvl")] or [_level(holder)]
    if not any(levels) and (plain := holder.findtext("{*}v")):
        return [plain]
    size = max((max(level, default=-1) for level in levels), default=-1) + 1
    inner, *outer = levels
    written: list[str] = []
    above = [""] * len(outer)
    for number in range(size):
        # An outer level is only stored where it begins.
        above = [level.get(number, before) for level, before in zip(reversed(outer), above, strict=True)]
        written.append(" / ".join(filter(None, [*above, inner.get(number, "")])))
    return written


def _level(holder: Any) -> dict[int, str]:
    figures = any(True for _ in holder.iter("{*}numCache", "{*}numLit")) or "numDim" in str(
        [holder.tag, getattr(holder.getparent(), "tag", "")]
    )
    code = str(holder.findtext(".//{*}formatCode") or holder.get("formatCode") or "General")
    found: dict[int, str] = {}
    for point in holder.iter("{*}pt"):
        index = str(point.get("idx", len(found)))
        text = (point.findtext("{*}v") or point.text or "").strip()
        if index.isdecimal() and int(index) < _MOST_POINTS:
            found[int(index)] = _figure(text, str(point.get("formatCode") or code)) if figures else text
    return found


def _figure(text: str, code: str) -> str:
    """Format a figure as the chart shows it: 0.1, not 0.10000000000000001; a date, not its number."""
    try:
        return shown(float(text), code)
    except ValueError:
        return text


def _text(element: Any) -> str:
    return "".join(one.text or "" for one in element.iter("{*}t")).strip()
