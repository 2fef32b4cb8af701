"""HTML by BeautifulSoup and lxml: headings, paragraphs, lists, listings and tables of a page."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from bs4 import BeautifulSoup, MarkupResemblesLocatorWarning, Tag, XMLParsedAsHTMLWarning
from bs4.element import CData, NavigableString

from rag_core.extract import blobs, encoding
from rag_core.extract.blocks import (
    Block,
    BlockKind,
    Head,
    Item,
    Note,
    Part,
    Picture,
    Unreadable,
    blocks,
    tables,
)

_DROPPED = ["script", "style", "template", "nav", "iframe", "button", "datalist"]
_HEADINGS = ["h1", "h2", "h3", "h4", "h5", "h6"]
_BOUNDARIES = {
    "address", "article", "aside", "blockquote", "body", "caption", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr",
    "legend", "li", "main", "menu", "ol", "p", "pre", "search", "section", "summary", "table", "tbody",
    "tfoot", "thead", "tr", "ul",
}  # fmt: skip
# These separate words, but not paragraphs.
_CELLS = {"td", "th", "option", "label", "textarea", "text", "tspan", "desc"}
_PARTED = _BOUNDARIES | _CELLS
# Fields whose values are not text for readers: buttons, hidden or secret ones.
_SILENT = {"hidden", "submit", "button", "reset", "image", "file", "password"}
_DECLARED = re.compile(rb"""(?:charset|encoding)[ \t\r\n]{0,5}=[ \t\r\n]{0,5}["']?([A-Za-z0-9_:.-]{2,40})""")
_DECLARED_WITHIN = 64 * 1024
_MOST_COLUMNS = 1000
_MOST_FRAMES = 3  # within frames
_TEXT = {NavigableString, CData}
# Marks inserted where a block begins; text cannot contain them, since control characters are removed.
_MARK = "\x00"
# A picture's number, at its place in the text.
_SHOWN = re.compile("\x01([0-9]{1,6})\x01")
_HELD = "data:image/"
_ATTRIBUTE = re.compile(f"(?<=[\"'=]){blobs.ADDRESS.pattern}", re.IGNORECASE)
_KINDS = {"T": BlockKind.TEXT, "G": BlockKind.TABLE, "C": BlockKind.CODE}


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of an HTML file; it has one page."""
    data = path.read_bytes()
    markup, remark = decoded(data)
    title, found = read(markup, 1)
    yield Head(title=title, pages=1)
    if remark:
        yield Note(Part.TEXT, 0, message=remark)
    empty = True
    for item in found:
        empty = empty and not isinstance(item, Block)
        yield item
    if empty:
        raise Unreadable("no_text", "the page holds no text of its own; scripts may draw it in a browser")


def read(
    markup: bytes | str,
    page: int,
    where: str = "",
    file: Callable[[str], bytes | None] = lambda address: None,
) -> tuple[str, Iterator[Block | Picture]]:
    """Return the title of a page of HTML, its blocks and its pictures.

    `where` is the place reported for pictures. `file` returns the picture at an address, if any; pictures
    embedded in the page need none.
    """
    if isinstance(markup, bytes):
        markup = decoded(markup)[0]
    held: list[str] = []

    def numbered(found: re.Match[str]) -> str:
        held.append(found[0])
        return f"{_HELD}{len(held) - 1}"

    # Take embedded pictures out first: attributes with megabytes of base64 slow the parser down.
    markup = _ATTRIBUTE.sub(numbered, markup.replace("\x01", " "))
    with warnings.catch_warnings():
        # XHTML is HTML with an XML declaration; the HTML parser handles it as browsers do.
        warnings.simplefilter("ignore", XMLParsedAsHTMLWarning)
        warnings.simplefilter("ignore", MarkupResemblesLocatorWarning)
        soup = BeautifulSoup(markup, "lxml")
        _open_frames(soup)
    title = soup.title.get_text(" ", strip=True) if soup.title else ""
    for dropped in _outermost(soup, {*_DROPPED}):
        _become(dropped, "")
    for dropped in soup.find_all("title"):
        if dropped.find_parent("svg") is None:
            _become(dropped, "")
    # Text for browsers without scripts is only read when the page has no other.
    hidden = [(one, one.get_text()) for one in _outermost(soup, {"noscript"})]
    if _letters("".join(text for _, text in hidden)) != _letters(soup.get_text()):
        for one, _ in hidden:
            _become(one, "")
    pictures: list[Picture] = []

    def picture(address: str, described: bool) -> str:
        number = address.removeprefix(_HELD)
        is_held = number != address and number.isdecimal() and int(number) < len(held)
        data = blobs.picture(held[int(number)]) if is_held else file(address)
        if data is None:
            return ""
        pictures.append(Picture(data, page, where, described))
        return f"\x01{len(pictures) - 1}\x01"

    _fill(soup, picture)
    _mark(soup)
    text = _text(soup)
    soup.decompose()

    def items() -> Iterator[Block | Picture]:
        for piece in text.split(_MARK):
            yield from _piece(_SHOWN.sub(" ", piece), page)
            yield from _shown(piece, pictures)

    return title, items()


def decoded(data: bytes) -> tuple[str, str]:
    """Return the markup as text, and a remark on its encoding if there is one."""
    content = _DECLARED.search(data, 0, _DECLARED_WITHIN)
    text, how = encoding.decoded(data, content[1].decode("ascii") if content else "")
    # The markup is decoded now; its declared encoding would mislead the parser.
    return re.sub(r"^\s{0,100}<\?xml[^>]{0,200}\?>", "", text, count=1), how.remark


def _open_frames(soup: BeautifulSoup) -> None:
    """Replace frames with the pages embedded in them (srcdoc), and do so for the frames in those."""
    for _ in range(_MOST_FRAMES):
        frames = soup.find_all("iframe", srcdoc=True)
        for frame in frames:
            inner = BeautifulSoup(str(frame["srcdoc"]), "lxml")
            frame.clear()
            frame.name, frame.attrs = "div", {}
            for node in [*(inner.body.contents if inner.body else ())]:
                frame.append(node)
        if not frames:
            return


def _fill(soup: BeautifulSoup, marked: Callable[[str, bool], str]) -> None:
    """Insert what a reader sees but the text lacks: values of fields, names of pictures."""
    for field in soup.find_all("input"):
        kind = str(field.get("type", "text")).lower()
        if kind in {"checkbox", "radio"}:
            shown = "[x]" if field.has_attr("checked") else "[ ]"
        else:
            shown = "" if kind in _SILENT else str(field.get("value", ""))
        _become(field, f" {shown} ")
    for choice in _outermost(soup, {"select"}):
        options = choice.find_all("option")
        chosen = [one for one in options if one.has_attr("selected")] or options[:1]
        if choice.has_attr("multiple"):
            chosen = [one for one in options if one.has_attr("selected")]
        _become(choice, f" {', '.join(one.get_text(' ', strip=True) for one in chosen)} ")
    for picture in soup.find_all(["img", "area", "image"]):  # "image" is in drawings (SVG)
        text = [str(picture.get(name) or "") for name in ("alt", "title", "aria-label")]
        words = picture.get_text(" ") or text[0]
        address = str(picture.get("src") or picture.get("xlink:href") or picture.get("href") or "")
        described = re.search(r"\w", " ".join((words, *text))) is not None
        mark = "" if picture.name == "area" else marked(address, described)
        _become(picture, f" {words} {mark}")


def _mark(soup: BeautifulSoup) -> None:
    """Replace listings, tables and headings with their text between marks, so that one flat walk suffices."""
    for line_break in soup.find_all("br"):
        _become(line_break, "\n")
    for pre in _outermost(soup, {"pre"}):
        _replace(pre, "C", pre.get_text())
    layout = _layout(soup)
    for table in soup.find_all("table"):
        if id(table) not in layout:
            rows = _rows(table)
            if any(len(row) > 1 for row in rows) and not table.find("pre"):
                parts = [block.text for block in tables(rows, 1)]
                _replace(table, "G", f"{_MARK}G".join(parts), marked=True)
    for heading in _outermost(soup, {*_HEADINGS}):
        _replace(heading, heading.name[1], _inline(heading))


def _layout(soup: BeautifulSoup) -> set[int]:
    """Return the ids of tables that contain tables, in one walk: searching each takes time by its depth."""
    layout: set[int] = set()
    around: list[Tag] = [soup]
    open_: list[Tag] = []
    for node in soup.descendants:
        while around[-1] is not node.parent:
            closed = around.pop()
            if open_ and open_[-1] is closed:
                open_.pop()
        if isinstance(node, Tag):
            around.append(node)
            if node.name == "table":
                layout.update(map(id, open_[-1:]))
                open_.append(node)
    return layout


def _text(soup: Tag, boundary: str = f"{_MARK}T", item: str = "- ") -> str:
    """Return all text in order, marked where a block begins or ends; one walk, so depth costs nothing."""
    written: list[str] = []
    around: list[Tag] = [soup]
    for node in soup.descendants:
        while around[-1] is not node.parent:
            closed = around.pop().name
            if closed in _BOUNDARIES:
                written.append(boundary)
            elif closed in _CELLS:
                written.append(" ")
        if isinstance(node, Tag):
            around.append(node)
            if node.name in _BOUNDARIES:
                written.append(f"{boundary}{item if node.name == 'li' else ''}")
            elif node.name in _CELLS:
                written.append(" ")
        elif type(node) in _TEXT:  # comments and the like are of other types
            written.append(str(node))
    return "".join(written)


def _rows(table: Tag) -> list[list[str]]:
    """Return the cells of a table as a grid; a cell that spans several rows is repeated in each."""
    rows: list[list[str]] = []
    above: dict[int, tuple[int, str]] = {}  # column -> how many further rows its cell spans, and its text
    for row in _cells(table):
        cells: list[str] = []

        def reach(cells: list[str] = cells) -> None:
            while (held := above.get(len(cells))) is not None and held[0] > 0:
                above[len(cells)] = (held[0] - 1, held[1])
                cells.append(held[1])

        for cell, written in row:
            reach()
            text, wide, tall = _squeezed(written), _span(cell, "colspan"), _span(cell, "rowspan")
            for number in range(min(wide, _MOST_COLUMNS - len(cells))):
                if tall > 1:
                    above[len(cells)] = (tall - 1, "" if number else text)
                cells.append("" if number else text)
        reach()
        rows.append(cells)
    return rows


def _cells(table: Tag) -> list[list[tuple[Tag, list[str]]]]:
    """Return rows of cells with their text; a cell within another (one left unclosed) comes after it."""
    rows: list[list[tuple[Tag, list[str]]]] = []
    around: list[Tag] = [table]
    open_: list[tuple[Tag, list[str]]] = []
    for node in table.descendants:
        while around[-1] is not node.parent:
            closed = around.pop()
            if open_ and open_[-1][0] is closed:
                open_.pop()
            elif open_ and closed.name in _PARTED:
                open_[-1][1].append(" ")
        if isinstance(node, Tag):
            around.append(node)
            if node.name == "tr":
                rows.append([])
            elif node.name in {"td", "th"} and rows:
                open_.append((node, []))
                rows[-1].append(open_[-1])
            elif open_ and node.name in _PARTED:
                open_[-1][1].append(" ")
        elif type(node) in _TEXT and open_:
            open_[-1][1].append(str(node))
    return rows


def _span(cell: Tag, name: str) -> int:
    text = str(cell.get(name, "1")).strip()
    return max(1, int(text)) if text.isascii() and text.isdigit() and len(text) < 6 else 1


def _replace(tag: Tag, kind: str, text: str, *, marked: bool = False) -> None:
    text = text if marked else text.replace(_MARK, " ")
    shown = "".join(found[0] for found in _SHOWN.finditer(tag.get_text()))
    _become(tag, f"{_MARK}{kind}{_SHOWN.sub(' ', text)}{_MARK}T{shown}")


def _become(tag: Tag, text: str) -> None:
    """Put the text into the tag and make it inline: replacing the tag itself counts all its siblings."""
    tag.clear()
    tag.name = "span"
    tag.append(NavigableString(text))


def _outermost(soup: BeautifulSoup, names: set[str]) -> list[Tag]:
    """Return the tags of these names that are not within another of them."""
    found: list[Tag] = []
    around: list[Tag] = [soup]
    within = 0
    for node in soup.descendants:
        while around[-1] is not node.parent:
            within -= around.pop().name in names
        if isinstance(node, Tag):
            around.append(node)
            if node.name in names:
                found += [] if within else [node]
                within += 1
    return found


def _inline(tag: Tag) -> str:
    return _squeezed([_text(tag, boundary=" ", item="")])


def _letters(text: str) -> str:
    return "".join(text.split())


def _squeezed(written: list[str]) -> str:
    return _SHOWN.sub(" ", re.sub(r"\s+", " ", "".join(written)).replace(_MARK, " ")).strip()


def _shown(piece: str, pictures: list[Picture]) -> Iterator[Picture]:
    """Yield the pictures in a piece of text; they follow the piece, since most are within a line."""
    for number in map(int, _SHOWN.findall(piece)):
        yield from pictures[number : number + 1]


def _piece(piece: str, page: int) -> Iterator[Block]:
    kind, text = piece[:1], piece[1:]
    if kind.isdigit():
        yield from blocks(BlockKind.HEADING, text, page, int(kind))
    elif kind in _KINDS:
        if kind == "T":
            text = re.sub(r"\s+", " ", text)
            text = "" if text.strip() in {"", "-"} else text
        yield from blocks(_KINDS[kind], text, page)
