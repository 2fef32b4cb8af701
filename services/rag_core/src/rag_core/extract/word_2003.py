"""Word 2003 XML: rewritten as the DOCX that Word would save, so that one reader handles both.

The names are nearly the same in another namespace; what the older format keeps within the text (notes,
comments, headers, changes) moves to its place in the newer one.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from lxml import etree

from rag_core.extract.blocks import Note, Part
from rag_core.extract.flat import Entry

_NEW = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_AML = "{http://schemas.microsoft.com/aml/2001/core}"
_HINT = "{http://schemas.microsoft.com/office/word/2003/auxHint}"
_KIND = "application/vnd.openxmlformats-officedocument.wordprocessingml"
_RELATION = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_RELATIONS = "http://schemas.openxmlformats.org/package/2006/relationships"
_RELATIONS_KIND = "application/vnd.openxmlformats-package.relationships+xml"
_CLEAR = {f"{_AML}content", f"{_HINT}sect", f"{_HINT}sub-section"}  # wrappers whose text is the document's
_CHANGES = {
    "Word.Insertion": "ins",
    "Word.Deletion": "del",
    "Word.Comment": "commentReference",
    "Word.Comment.Start": "commentRangeStart",
    "Word.Comment.End": "commentRangeEnd",
}


def rewritten(root: Any) -> tuple[list[Entry], list[Note]]:
    """Return the parts of the DOCX, and notes on what is stored in a form that is not read."""
    title = root.findtext("{*}DocumentProperties/{*}Title") or ""
    old = f"{{{etree.QName(root).namespace}}}"
    unread = list(_without_data(root))
    for element in root.iter(etree.Element):
        _rename(element, old)
    parts = [*_moved(root), *_running(root)]
    styles = root.find(f"{_NEW}styles")
    if styles is not None:
        for style in styles.iterfind(f"{_NEW}style[@{_NEW}default]"):
            style.set(f"{_NEW}default", "1")
        parts.append(("styles", "styles", styles))
    for properties in list(root.iter(f"{_NEW}listPr")):
        _number(properties)
    document = etree.Element(f"{_NEW}document")
    document.append(root.find(f"{_NEW}body"))
    return list(_package(document, parts, title)), unread


def _rename(element: Any, old: str) -> None:
    for key, value in element.attrib.items():
        if key.startswith(old):
            element.set(_NEW + key.removeprefix(old), value)
    if element.tag.startswith(old):
        element.tag = _NEW + element.tag.removeprefix(old)
    elif element.tag in _CLEAR:
        element.tag = f"{_NEW}customXml"
    elif element.tag == f"{_AML}annotation":
        element.set(f"{_NEW}id", str(element.get(f"{_AML}id")))
        element.set(f"{_NEW}author", str(element.get(f"{_AML}author") or ""))
        element.tag = _NEW + _CHANGES.get(str(element.get(f"{_NEW}type")), "bookmarkStart")


def _without_data(root: Any) -> Iterator[Note]:
    """Remove the data of pictures and objects from the text."""
    for data in list(root.iter("{*}binData")):
        data.getparent().remove(data)
    for one in root.iter("{*}OLEObject"):
        kind = one.get("ProgID") or "object"
        message = f"an embedded {kind} of Word's XML of 2003 was not read; save the file as DOCX"
        yield Note(Part.ATTACHMENT, read=False, message=message)


def _moved(root: Any) -> Iterator[tuple[str, str, Any]]:
    """Move notes and comments into parts of their own, leaving references."""
    for name, inline in (("footnote", "footnote"), ("endnote", "endnote"), ("comment", "commentReference")):
        part = etree.Element(f"{_NEW}{name}s")
        for number, one in enumerate(list(root.find(f"{_NEW}body").iter(f"{_NEW}{inline}"))):
            note = etree.SubElement(part, f"{_NEW}{name}")
            note.extend(list(one))
            note.set(f"{_NEW}id", one.get(f"{_NEW}id") or str(number))
            if author := one.get(f"{_NEW}author"):
                note.set(f"{_NEW}author", author)
            one.set(f"{_NEW}id", note.get(f"{_NEW}id"))
            one.tag = f"{_NEW}{name}Reference"
        if len(part):
            yield f"{name}s", f"{name}s", part


def _running(root: Any) -> Iterator[tuple[str, str, Any]]:
    for tag, kind in (("hdr", "header"), ("ftr", "footer")):
        for number, one in enumerate(list(root.iter(f"{_NEW}{tag}"))):
            one.getparent().remove(one)
            yield f"{kind}{number}", kind, one


def _number(properties: Any) -> None:
    """Insert a paragraph's number, which the older format stores as the text shown."""
    shown = properties.find(f"{_HINT}t")
    text = str(shown.get(f"{_HINT}val", "")) if shown is not None else ""
    if text:
        run = etree.Element(f"{_NEW}r")
        etree.SubElement(run, f"{_NEW}t").text = (text if any(map(str.isalnum, text)) else "-") + " "
        properties.getparent().addnext(run)


def _package(document: Any, parts: list[tuple[str, str, Any]], title: str) -> Iterator[Entry]:
    yield "word/document.xml", f"{_KIND}.document.main+xml", etree.tostring(document)
    for name, kind, element in parts:
        yield f"word/{name}.xml", f"{_KIND}.{kind}+xml", etree.tostring(element, with_tail=False)
    yield (
        "word/_rels/document.xml.rels",
        _RELATIONS_KIND,
        _relations((f"{_RELATION}/{kind}", f"{name}.xml") for name, kind, _ in parts),
    )
    core = etree.Element(
        "{http://schemas.openxmlformats.org/package/2006/metadata/core-properties}coreProperties"
    )
    etree.SubElement(core, "{http://purl.org/dc/elements/1.1/}title").text = title
    core_kind = "application/vnd.openxmlformats-package.core-properties+xml"
    yield "docProps/core.xml", core_kind, etree.tostring(core)
    first = ((f"{_RELATION}/officeDocument", "word/document.xml"),
             (f"{_RELATIONS}/metadata/core-properties", "docProps/core.xml"))  # fmt: skip
    yield "_rels/.rels", _RELATIONS_KIND, _relations(iter(first))


def _relations(found: Iterator[tuple[str, str]]) -> bytes:
    root = etree.Element(f"{{{_RELATIONS}}}Relationships", nsmap={None: _RELATIONS})
    for number, (kind, target) in enumerate(found):
        etree.SubElement(root, f"{{{_RELATIONS}}}Relationship", Id=f"r{number}", Type=kind, Target=target)
    return bytes(etree.tostring(root))
