"""The true content of files, without the compared libraries: other editions of the text, or the markup."""

from __future__ import annotations

import gzip
import itertools
import re
import zipfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

Row = tuple[str, ...]
_UNSEEN = {"script", "style", "title", "template", "noscript"}
_WORD = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_DRAWING = "{http://schemas.openxmlformats.org/drawingml/2006/main}"
_SLIDE = "{http://schemas.openxmlformats.org/presentationml/2006/main}"
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"
_STRICT = rb"http://purl\.oclc\.org/ooxml/(\w+)/main"
# Repeats the same drawing for programs that do not support its newest form.
_TWICE = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


@dataclass
class Held:
    """Text in reading order, the headings marked as such, and the rows of tables."""

    text: str = ""
    headings: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)


def words(text: str) -> list[str]:
    """Return the words, normalized so that all editions agree; words split at line ends are joined."""
    text = re.sub(r"-\n", "", text).lower().replace("\u00ad", "")
    return [word for word in re.findall(r"[^\W_]+", text) if word]


def pairs(text: str) -> Counter[tuple[str, str]]:
    """Count the pairs of neighbouring words."""
    return Counter(itertools.pairwise(words(text)))


def spelt(rows: Iterable[list[str]]) -> Counter[Row]:
    """Count the rows with two or more cells, each as its words; empty cells are left out."""
    cells = (tuple(" ".join(words(cell)) for cell in row) for row in rows)
    return Counter(kept for row in cells if len(kept := tuple(filter(None, row))) > 1)


class _Page(HTMLParser):
    """Uses Python's HTML parser: the visible words, h1 to h6, and rows of tables without nested tables."""

    def __init__(self) -> None:
        super().__init__()
        self.held = Held()
        self._text: list[str] = []
        self._unseen = 0
        self._heading: list[str] | None = None
        self._tables: list[list[list[str]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._unseen += tag in _UNSEEN
        if tag not in {"a", "b", "code", "em", "i", "span", "strong", "tt", "var", "samp", "sup", "sub"}:
            self._say(" ")
        if re.fullmatch("h[1-6]", tag):
            self._heading = []
        elif tag == "table":
            self._tables.append([])
        elif tag == "tr" and self._tables:
            self._tables[-1].append([])
        elif tag in {"td", "th"} and self._tables and self._tables[-1]:
            self._tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._unseen -= tag in _UNSEEN
        if re.fullmatch("h[1-6]", tag) and self._heading is not None:
            self.held.headings.append("".join(self._heading))
            self._heading = None
        elif tag == "table" and self._tables:
            rows = self._tables.pop()
            if self._tables:
                self._tables[-1].clear()  # a table of tables is layout
            self.held.rows += rows

    def handle_data(self, data: str) -> None:
        if not self._unseen:
            self._say(data)

    def _say(self, data: str) -> None:
        self._text.append(data)
        if self._heading is not None:
            self._heading.append(data)
        if self._tables and self._tables[-1] and self._tables[-1][-1]:
            self._tables[-1][-1][-1] += data

    def close(self) -> None:
        super().close()
        self.held.text = "".join(self._text)


def of_html(markup: str) -> Held:
    """Return the visible content of an HTML page."""
    page = _Page()
    page.feed(markup)
    page.close()
    return page.held


def of_markdown(text: str) -> Held:
    """Return the headings and rows that Markdown marks; all of its words count."""
    held = Held(re.sub(r"\]\([^)]*\)", "]", text))
    fenced = False
    for line in text.splitlines():
        if line.lstrip().startswith("```"):
            fenced = not fenced
        elif fenced:
            continue
        elif heading := re.match(r"\s{0,3}#{1,6}\s+(.*)", line):
            held.headings.append(re.sub(r"\]\([^)]*\)", "]", heading[1]))
        elif "|" in line and re.sub(r"[|:\s-]", "", line):
            held.rows.append(re.split(r"(?<!\\)\|", re.sub(r"\]\([^)]*\)", "]", line)))
    return held


def of_info(path: Path) -> str:
    """Return the info edition of a manual without its navigation lines."""
    nodes = gzip.decompress(path.read_bytes()).decode("utf-8", "replace").split("\x1f")
    lines = (line for node in nodes[1:] for line in node.lstrip("\n").split("\n")[1:])
    return "\n".join(line for line in lines if not line.startswith("* "))


def of_text(path: Path) -> str:
    """Return a compressed text edition."""
    return gzip.decompress(path.read_bytes()).decode("utf-8", "replace")


def of_book(path: Path) -> Held:
    """Headings and rows of an EPUB's chapters."""
    held = Held()
    with zipfile.ZipFile(path) as book:
        for name in sorted(book.namelist()):
            if re.search(r"\.x?html?$", name) and not re.search(r"nav\.x?html$", name):
                page = of_html(book.read(name).decode("utf-8", "replace"))
                held.headings += page.headings
                held.rows += page.rows
    return held


def of_word(path: Path) -> Held:
    """Runs of text of a Word file's body and notes, paragraphs of heading styles, rows."""
    held = Held()
    with zipfile.ZipFile(path) as file:
        names = {name.lower(): name for name in file.namelist()}
        styles = _xml(file, names.get("word/styles.xml", ""))
        heads = {
            style.get(f"{_WORD}styleId", "")
            for style in styles.iter(f"{_WORD}style")
            if (name := style.find(f"{_WORD}name")) is not None
            and re.match(r"(heading \d|title$)", name.get(f"{_WORD}val", "").lower())
        }
        for part in ("word/document.xml", "word/footnotes.xml", "word/endnotes.xml"):
            if part not in names:
                continue
            root = _xml(file, names[part])
            paragraphs = [(p, _runs(p)) for p in root.iter(f"{_WORD}p")]
            held.text += "\n".join(text for _, text in paragraphs) + "\n"
            for paragraph, text in paragraphs:
                style = paragraph.find(f"{_WORD}pPr/{_WORD}pStyle")
                if style is not None and style.get(f"{_WORD}val") in heads and words(text):
                    held.headings.append(text)
            for row in root.iter(f"{_WORD}tr"):
                if row.find(f".//{_WORD}tbl") is None:
                    cells = row.iter(f"{_WORD}tc")
                    held.rows.append([" ".join(map(_runs, cell.iter(f"{_WORD}p"))) for cell in cells])
    return held


def _runs(paragraph: ElementTree.Element) -> str:
    """Return the paragraph's own runs; a paragraph of a text box inside it is handled separately."""
    text: list[str] = []

    def walk(element: ElementTree.Element) -> None:
        for child in element:
            if child.tag == f"{_WORD}p":
                continue
            if child.tag == f"{_WORD}t":
                text.append(child.text or "")
            elif child.tag in {f"{_WORD}tab", f"{_WORD}br", f"{_WORD}cr"}:
                text.append(" ")
            walk(child)

    walk(paragraph)
    return "".join(text)


def of_slides(path: Path) -> Held:
    """Runs of text of each slide and its notes, titles, rows."""
    held = Held()
    with zipfile.ZipFile(path) as file:
        parts = [n for n in file.namelist() if re.fullmatch(r"ppt/(slides|notesSlides)/\w+\d+\.xml", n)]
        for name in sorted(parts, key=lambda n: (int(re.findall(r"\d+", n)[-1]), "notes" in n)):
            root = _xml(file, name)
            for shape in root.iter(f"{_SLIDE}sp"):
                place = shape.find(f".//{_SLIDE}ph")
                kind = place.get("type", "") if place is not None else ""
                if kind in {"sldNum", "dt", "ftr", "hdr"}:
                    continue
                text = _paragraphs(shape)
                held.text += text + "\n"
                if kind in {"title", "ctrTitle"} and words(text):
                    held.headings.append(text)
            for row in root.iter(f"{_DRAWING}tr"):
                cells = [_paragraphs(cell) for cell in row.iter(f"{_DRAWING}tc")]
                held.rows.append(cells)
                held.text += " ".join(cells) + "\n"
    return held


def _paragraphs(element: ElementTree.Element) -> str:
    return "\n".join(
        "".join((run.text or "") if run.tag == f"{_DRAWING}t" else "" for run in paragraph.iter())
        for paragraph in element.iter(f"{_DRAWING}p")
    )


def of_sheets(path: Path) -> Held:
    """Return the words and numbers of a workbook's cells; dates are numbers, as the file stores them."""
    with zipfile.ZipFile(path) as file:
        shared: list[str] = []
        for one in _xml(file, "xl/sharedStrings.xml").iter(f"{_SHEET}si"):
            runs = [one.find(f"{_SHEET}t"), *(r.find(f"{_SHEET}t") for r in one.iter(f"{_SHEET}r"))]
            shared.append("".join(run.text or "" for run in runs if run is not None))
        texts: list[str] = []
        for name in sorted(n for n in file.namelist() if re.fullmatch(r"xl/worksheets/\w+\.xml", n)):
            sheet = _xml(file, name)
            for cell in sheet.iter(f"{_SHEET}c"):
                value = cell.find(f"{_SHEET}v")
                if cell.get("t") == "s" and value is not None:
                    texts.append(shared[int(value.text or 0)])
                elif value is not None:
                    texts.append(number(value.text or ""))
                elif cell.get("t") == "inlineStr":
                    texts.append("".join(t.text or "" for t in cell.iter(f"{_SHEET}t")))
    return Held("\n".join(texts))


def number(cell: str) -> str:
    """Return a cell as a workbook stores it: numbers without trailing zeros."""
    try:
        return f"{float(cell):.10g}"
    except ValueError:
        return cell


def _xml(file: zipfile.ZipFile, name: str) -> ElementTree.Element:
    """Return a part of an Office file, or an empty element if it is missing."""
    if name not in file.namelist():
        return ElementTree.Element("none")
    # Files saved as "strict" use other namespaces for the same elements.
    text = re.sub(_STRICT, rb"http://schemas.openxmlformats.org/\1/2006/main", file.read(name))
    root = ElementTree.fromstring(text)  # noqa: S314 - files of a known source
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag == _TWICE]:
            parent.remove(child)
    return root
