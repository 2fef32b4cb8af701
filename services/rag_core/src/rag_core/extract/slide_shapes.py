"""The shapes of a slide in reading order, and their words, also for shapes unknown to python-pptx."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from rag_core.extract.equations import linear

# What python-pptx raises on unexpected markup.
UNEXPECTED = (ValueError, KeyError, AttributeError, TypeError, IndexError, NotImplementedError)
_MAX_DEPTH = 20
_KNOWN = {"sp", "pic", "graphicFrame", "cxnSp", "grpSp"}
_PROPERTIES = {"nvGrpSpPr", "grpSpPr", "extLst"}
_CHOICES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}oMath"


class Unknown:
    """The markup of a shape that python-pptx has no class for."""

    is_placeholder = has_text_frame = has_table = False

    def __init__(self, element: Any) -> None:
        self.element = element
        named = next(element.iter("{*}cNvPr"), None)
        self.name = str(named.get("name") or "") if named is not None else ""
        place = next(element.iter(f"{_DRAWING}off"), None)
        self.top = int(place.get("y") or 0) if place is not None else 0
        self.left = int(place.get("x") or 0) if place is not None else 0

    @property
    def words(self) -> str:
        """The text of all paragraphs in it."""
        return _listed(list(self.element.iter(f"{_DRAWING}p")))


def choose(element: Any) -> None:
    """Replace alternative contents (mc:AlternateContent) with the one that a newer program would show."""
    for choices in list(element.iter(f"{_CHOICES}AlternateContent")):
        chosen = choices.find(f"{_CHOICES}Choice")
        if chosen is None or not len(chosen):
            chosen = choices.find(f"{_CHOICES}Fallback")
        above = choices.getparent()
        if above is None:
            continue
        place = above.index(choices)
        for offset, one in enumerate(list(chosen) if chosen is not None else []):
            above.insert(place + offset, one)
        above.remove(choices)


def ordered(shapes: Any, depth: int = 0) -> Iterator[Any]:
    """Yield shapes from top to bottom, those of a group at the group's place.

    The order in the file is only the order in which they were drawn.
    """
    for shape in sorted(_made(shapes), key=_place):
        if not hasattr(shape, "shapes"):
            yield shape
        elif depth < _MAX_DEPTH:
            yield from ordered(shape.shapes, depth + 1)
        else:
            yield Unknown(shape.element)


def placeholder(shape: Any) -> object:
    """Return the type of the layout's placeholder that the shape fills, if any."""
    try:
        return shape.placeholder_format.type if shape.is_placeholder else None
    except UNEXPECTED:  # a type from a later version
        return None


def paragraphs(shape: Any) -> str:
    """Return the text of a shape, as a list if it has several paragraphs."""
    return _listed([one._p for one in shape.text_frame.paragraphs])


def words(paragraph: Any, *, numbered: bool = True) -> str:
    """Return a paragraph's text: runs, fields (slide numbers only if `numbered`), breaks and equations."""
    text: list[str] = []
    for one in paragraph:
        if not isinstance(one.tag, str):
            continue
        name = one.tag.rpartition("}")[2]
        if name == "r" or (name == "fld" and (numbered or one.get("type") != "slidenum")):
            text.append(one.findtext(f"{_DRAWING}t") or "")
        elif name == "br":
            text.append("\n")
        else:
            text += (linear(equation) for equation in one.iter(_MATH))
    return "".join(text)


def cells(table: Any) -> Iterator[list[str]]:
    """Yield the rows of a table; a cell over several rows appears in each of them."""
    above: list[str] = []
    for row in table.iter(f"{_DRAWING}tr"):
        written: list[str] = []
        for column, cell in enumerate(row.iterchildren(f"{_DRAWING}tc")):
            if cell.get("vMerge") in {"1", "true"}:
                written.append(above[column] if column < len(above) else "")
            else:
                written.append(" ".join(filter(None, map(words, cell.iter(f"{_DRAWING}p")))))
        yield written
        above = written


def _listed(found: list[Any]) -> str:
    content = [(one, text) for one in found if (text := words(one)).strip()]
    if len(content) == 1:
        return content[0][1]
    return "\n".join(f"{'  ' * _level(one)}- {text}" for one, text in content)


def _level(paragraph: Any) -> int:
    properties = paragraph.find(f"{_DRAWING}pPr")
    level = str(properties.get("lvl") or 0) if properties is not None else "0"
    return min(int(level), 8) if level.isdecimal() else 0


def _made(shapes: Any) -> Iterator[Any]:
    for element in shapes._element.iterchildren(etree.Element):
        name = element.tag.rpartition("}")[2]
        if name in _PROPERTIES:
            continue
        try:
            yield shapes._shape_factory(element) if name in _KNOWN else Unknown(element)
        except UNEXPECTED:
            yield Unknown(element)


def _place(shape: Any) -> tuple[int, int]:
    try:
        return (shape.top or 0, shape.left or 0)
    except UNEXPECTED:  # a position that is not a number
        return (0, 0)
