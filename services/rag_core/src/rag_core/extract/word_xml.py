"""WordprocessingML below the level of python-docx, which skips changes, controls, boxes and notes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from docx.opc.constants import RELATIONSHIP_TYPE
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from rag_core.extract.equations import linear, of_field
from rag_core.extract.signs import drawn, sign

_MARKUP = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
NOTES = ("footnote", "endnote", "comment")
_MATH = "{http://schemas.openxmlformats.org/officeDocument/2006/math}oMath"
# Elements of a drawing or an object that refer to other parts of the file.
OBJECTS = {"chart", "relIds", "OLEObject", "docPr", "imagedata", "control"}


def w(name: str) -> str:
    """Return a name of WordprocessingML with its namespace, as lxml writes it."""
    return str(qn(f"w:{name}"))


BOX = w("txbxContent")
_ALTERNATIVES = f"{_MARKUP}AlternateContent"
RUBY = w("ruby")
WHOLE = {w("altChunk"), w("subDoc")}  # documents in place of paragraphs
_CONTROL = w("sdt")
_ANCHOR = 80  # characters of the text that a comment refers to
# Wrappers of paragraphs, rows, cells and runs: what was inserted, moved here, or marked up for a program.
_CLEAR = {w(name) for name in ("ins", "moveTo", "customXml", "smartTag", "sdtContent")}
# Properties, what was deleted or moved away, and readings above CJK signs.
_UNSEEN = {w(name) for name in ("pPr", "rPr", "del", "moveFrom", "rt", "sdtPr")}
_REFERENCES = {w(f"{name}Reference") for name in NOTES}
_SIGNS = {w("tab"): "\t", w("ptab"): "\t", w("cr"): "\n", w("noBreakHyphen"): "-"}
_GONE = {w("trPr"): w("del"), w("tcPr"): w("cellDel")}


def inside(container: Any) -> Iterator[tuple[Any, bool]]:
    """Yield the paragraphs and tables of a body, cell, box or control, and whether each is to be read."""
    for child in container:
        if child.tag in (w("p"), w("tbl")):
            yield child, True
        elif child.tag == _CONTROL and _is_contents(child):
            yield child, False
        elif child.tag in WHOLE:
            yield child, True
        elif child.tag == _CONTROL or child.tag in _CLEAR:
            yield from inside(child)
        elif child.tag == _ALTERNATIVES and (edition := next(iter(child), None)) is not None:
            yield from inside(edition)


def rows(table: Any) -> Iterator[Any]:
    """Yield the rows of a table that are not deleted."""
    return _parts(table, "tr", "trPr")


def cells(row: Any) -> Iterator[Any | None]:
    """Yield the cells of a row, one for each column; None where a merged cell continues, or no cell is."""
    yield from [None] * _number(row.find(f"{w('trPr')}/{w('gridBefore')}"), 0)
    for cell in _parts(row, "tc", "tcPr"):
        merged = cell.find(f"{w('tcPr')}/{w('vMerge')}")
        goes_on = merged is not None and merged.get(w("val"), "continue") == "continue"
        yield None if goes_on else cell
        yield from [None] * (_number(cell.find(f"{w('tcPr')}/{w('gridSpan')}"), 1) - 1)


def text(element: Any, beside: list[Any]) -> str:
    """Return a paragraph's text; text boxes and references to notes in it are added to `beside`."""
    return "".join(_pieces(element, beside))


def page_breaks(element: Any) -> int:
    """Return how many page breaks it contains."""
    laid_out = sum(1 for _ in element.iter(w("lastRenderedPageBreak")))
    return laid_out + sum(1 for one in element.iter(w("br")) if one.get(w("type")) == "page")


def reading(ruby: Any) -> str:
    """Return the words below a phonetic guide (ruby), followed by the guide's text."""
    above = "".join(text(one, []) for one in ruby.iterfind(w("rt")))
    return f"{text(ruby, [])} ({above})" if above.strip() else ""


@dataclass(frozen=True, slots=True)
class Remark:
    """A footnote, an endnote or a comment: its text, what it contains beside text, and its part."""

    text: str
    beside: list[Any]
    part: Any


def notes(part: Any, name: str) -> dict[str, Remark]:
    """Return footnotes, endnotes or comments by number, without separator lines."""
    kind = getattr(RELATIONSHIP_TYPE, f"{name.upper()}S")
    found: dict[str, Remark] = {}
    for relation in part.rels.values():
        if relation.reltype == kind and not relation.is_external:
            anchors = _anchors(part.element) if name == "comment" else {}
            for note in parse_xml(relation.target_part.blob).iter(w(name)):
                if note.get(w("type"), "normal") != "normal":
                    continue
                number, beside = str(note.get(w("id"))), list[Any]()
                paragraphs = [text(one, beside).strip() for one in _paragraphs(note)]
                if content := " ".join(filter(None, paragraphs)):
                    content = f"{_label(name, note, anchors.get(number, ''))}: {content}"
                found[number] = Remark(content, beside, relation.target_part)
    return found


def _paragraphs(note: Any) -> Iterator[Any]:
    for element, _ in inside(note):
        if element.tag == w("tbl"):
            yield from element.iter(w("p"))
        else:
            yield element


def _label(name: str, note: Any, anchor: str) -> str:
    by = f" by {note.get(w('author'))}" if note.get(w("author")) else ""
    return f"{name.capitalize()}{by}" + (f' on "{anchor}"' if anchor else "")


def _anchors(document: Any) -> dict[str, str]:
    """Return the beginning of the text that each comment refers to."""
    found: dict[str, str] = {}
    begun: set[str] = set()
    for one in document.iter(w("commentRangeStart"), w("commentRangeEnd"), w("t"), w("p")):
        number = str(one.get(w("id")))
        if one.tag == w("commentRangeStart"):
            begun.add(number)
        elif one.tag == w("commentRangeEnd"):
            begun.discard(number)
        else:
            text = one.text or "" if one.tag == w("t") else " "
            for number in list(begun):
                found[number] = found.get(number, "") + text
                if len(found[number]) > _ANCHOR:
                    begun.discard(number)
    return {number: " ".join(text.split())[:_ANCHOR].rstrip() for number, text in found.items()}


def _pieces(element: Any, beside: list[Any]) -> Iterator[str]:
    for child in element:
        if child.tag == w("t"):
            yield _typed(child)
        elif child.tag in _SIGNS:
            yield _SIGNS[child.tag]
        elif child.tag == w("br"):
            yield "\n" if child.get(w("type"), "textWrapping") == "textWrapping" else ""
        elif child.tag == BOX or child.tag in _REFERENCES:
            beside.append(child)
        elif child.tag == _MATH:
            yield linear(child)
        elif child.tag == w("sym"):
            yield _sign(child)
        elif child.tag == w("instrText"):
            yield of_field(child.text or "")
        elif child.tag == RUBY:
            beside.append(child)
            yield from _pieces(child, beside)
        elif child.tag == w("ffData"):
            yield _field(child)
        elif child.tag == _ALTERNATIVES:
            yield _either(child, beside)
        elif isinstance(child.tag, str) and child.tag.endswith("}textpath"):
            yield f"{child.get('string') or ''} "
        elif isinstance(child.tag, str) and child.tag.rpartition("}")[2] in OBJECTS:
            beside.append(child)
        elif child.tag not in _UNSEEN:
            yield from _pieces(child, beside)


def _either(alternatives: Any, beside: list[Any]) -> str:
    """Return the text of the first alternative that has any."""
    for edition in alternatives:
        its: list[Any] = []
        text = "".join(_pieces(edition, its))
        if text.strip() or its:
            beside += its
            return text
    return ""


def _typed(element: Any) -> str:
    run = element.getparent()
    fonts = run.find(f"{w('rPr')}/{w('rFonts')}")
    return drawn(element.text or "", str(fonts.get(w("ascii"), "")) if fonts is not None else "")


def _sign(element: Any) -> str:
    try:
        return sign(int(str(element.get(w("char"))), 16), str(element.get(w("font"))))
    except ValueError:
        return ""


def _field(data: Any) -> str:
    """Return what a form field shows outside any run of text: a check box, or a choice from a list."""
    box = data.find(w("checkBox"))
    if box is not None:
        text = box.find(w("checked"))
        text = text if text is not None else box.find(w("default"))
        return "\u2611 " if text is not None and text.get(w("val"), "1") in {"1", "true", "on"} else "\u2610 "
    choices = data.find(w("ddList"))
    if choices is not None:
        entries = [one.get(w("val"), "") for one in choices.iterfind(w("listEntry"))]
        chosen = choices.find(w("result"))
        chosen = chosen if chosen is not None else choices.find(w("default"))
        place = _number(chosen, 0)
        return str(entries[place]) if place < len(entries) else ""
    return ""


def _parts(container: Any, name: str, properties: str) -> Iterator[Any]:
    for child in container:
        if child.tag == w(name):
            if child.find(f"{w(properties)}/{_GONE[w(properties)]}") is None:
                yield child
        elif child.tag == _CONTROL or child.tag in _CLEAR:
            yield from _parts(child, name, properties)


def _is_contents(control: Any) -> bool:
    gallery = control.find(f"{w('sdtPr')}/{w('docPartObj')}/{w('docPartGallery')}")
    return gallery is not None and gallery.get(w("val")) == "Table of Contents"


def _number(element: Any | None, otherwise: int) -> int:
    text = str(element.get(w("val"))) if element is not None else ""
    return int(text) if text.isdecimal() and len(text) < 10 else otherwise
