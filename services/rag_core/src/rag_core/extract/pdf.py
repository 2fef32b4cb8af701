"""PDF by pypdfium2: pages of text, headings from the outline, running headers and footers left out."""

from __future__ import annotations

import re
import statistics
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pypdfium2 as pdfium

from rag_core.extract import ocr
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Ocr, Pulse, Unreadable, blocks

_WINDOW = 40  # pages looked at together for running headers
_SCANNED_WINDOW = 8  # a scanned page takes seconds: fewer are waited for
_REPEATS = 3
_BULLET = re.compile(r"^\s*(?:[\u2022\u25cf\u25aa\u2013*-]|\(?\d{1,3}[.)])\s")
_NUMBERING = re.compile(
    r"^(?:chapter\s+|appendix\s+)?(?:\d+|[A-Z]\.\d+)(?:\.\d+)*[.:]?\s+|^appendix\s+[A-Z]\s+", re.I
)
# A line of a table of contents or an index: dots, then page numbers.
_LEADER = re.compile(r"(?:\.\s?){4,}\s*[\divxlc]+(?:\s*,\s*\d+)*\s*$")
_TREE = {"pages": rb"/Type\s*/Pages\b", "page": rb"/Type\s*/Page\b", "none": rb"/Count\s+0\b"}
_OUTER_NUMBER = re.compile(r"^(\d{1,5})\b|\b(\d{1,5})$")
_LINE_HYPHEN = re.compile(r"[\x02\ufffe\u00ad]\r?\n?")
_PAGE_NUMBER = re.compile(
    r"^[\s\-\u2013]*(?:page\s*)?(?:\d{1,5}|[ivxlc]{1,7})(?:\s*(?:of|/)\s*\d{1,5})?[\s\-\u2013]*$", re.I
)


def parse(path: Path, max_pages: int, reader: Ocr | None = None) -> Iterator[Item]:
    """Head and blocks of a PDF; pages without usable text are read by `reader` from their picture."""
    document = _open(path)
    try:
        pages = len(document)
        if pages == 0:
            raise Unreadable("no_pages", "the PDF has no pages")
        if pages > max_pages:
            raise Unreadable(
                "too_many_pages",
                f"the PDF has {pages:,} pages, more than the {max_pages:,} allowed; split it",
            )
        title = str(document.get_metadata_dict().get("Title") or "")
        yield Head(title=title.strip(), pages=pages)
        outline = _outline(document)
        readable = unreadable = 0
        pictures = _Pictures(reader)
        start = 0
        while start < pages:
            window: list[list[str]] = []
            seen = pictures.seen
            while start + len(window) < pages and len(window) < _WINDOW:
                window.append(_lines(document, start + len(window), pictures))
                yield Pulse(start + len(window))
                if pictures.seen > seen and len(window) >= _SCANNED_WINDOW:
                    break
            running = _running(window)
            offsets = _label_offsets(window, start + 1)
            for number, lines in enumerate(window, start=start + 1):
                good, bad = _legibility(lines)
                readable += good
                unreadable += bad
                yield from _page(
                    _without_running(lines, running, number, offsets), number, outline.get(number, [])
                )
            start += len(window)
        if readable == 0 or unreadable > readable:
            raise _nothing(pages, readable, unreadable, pictures)
    finally:
        document.close()


class _Pictures:
    """Reads pages from their picture until it is found that nothing here can."""

    def __init__(self, reader: Ocr | None) -> None:
        self._reader = reader
        self.missing = "" if reader else "reading pictures of text is switched off"
        self.seen = 0

    def lines(self, page: pdfium.PdfPage, own: list[str]) -> list[str]:
        """The page's own lines, or those in its picture when these are no use."""
        good, bad = _legibility(own)
        if not ocr.wanted(page, good, bad):
            return own
        self.seen += 1
        if self._reader is None:
            return own
        try:
            found = ocr.lines(page, self._reader)
        except ocr.Unavailable as error:
            self._reader, self.missing = None, str(error)
            return own
        return found if bad > good or _legibility(found)[0] > good else own


def _nothing(pages: int, readable: int, unreadable: int, pictures: _Pictures) -> Unreadable:
    why = f" ({pictures.missing})" if pictures.missing and pictures.seen else ""
    if unreadable > readable:
        return Unreadable(
            "unreadable_fonts",
            f"the PDF's fonts do not say which letters they show, so its text cannot be read{why};"
            " print it to a new PDF, or run it through OCR",
        )
    if pictures.seen and not pictures.missing:
        return Unreadable(
            "no_text",
            f"none of the PDF's {pages} pages holds text, and none was recognised in their pictures;"
            " if it is a scan, scan it sharper or in its right language",
        )
    if pictures.seen:
        return Unreadable(
            "no_text",
            f"none of the PDF's {pages} pages holds text{why}; it is likely a scan: run it through OCR first",
        )
    return Unreadable("no_text", f"the PDF's {pages} pages are blank: they hold neither text nor pictures")


def _open(path: Path) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(path)
    except pdfium.PdfiumError as error:
        said = str(error).lower()
        if "password" in said or "security" in said:
            raise Unreadable(
                "encrypted", "the PDF is locked with a password; save a copy without one and upload that"
            ) from error
        raise _damage(path.read_bytes(), error) from error


def _damage(data: bytes, error: pdfium.PdfiumError) -> Unreadable:
    """Pdfium says "data format error" for all of these; people need to know which."""
    found = {name: re.search(rule, data) for name, rule in _TREE.items()}
    if found["pages"] and found["none"] and not found["page"]:
        return Unreadable("no_pages", "the PDF has no pages")
    if b"%%EOF" not in data[-2048:]:
        return Unreadable("corrupt", "the PDF breaks off before its end; copy or download it again")
    return Unreadable("corrupt", f"the PDF is damaged and cannot be opened ({error})")


def _lines(document: pdfium.PdfDocument, index: int, pictures: _Pictures) -> list[str]:
    try:
        page = document[index]
    except pdfium.PdfiumError:
        return []  # one broken page; the others are still worth having
    try:
        textpage = page.get_textpage()
        try:
            text = textpage.get_text_range()
        finally:
            textpage.close()
        own = [line for line in map(str.strip, _LINE_HYPHEN.sub("", text).splitlines()) if line]
        return [line for line in pictures.lines(page, own) if not _LEADER.search(line)]
    finally:
        page.close()


def _outline(document: pdfium.PdfDocument) -> dict[int, list[tuple[int, str]]]:
    """Page number -> headings that begin there, as (level, title)."""
    found: dict[int, list[tuple[int, str]]] = {}
    try:
        for bookmark in document.get_toc(max_depth=6):
            target = bookmark.get_dest()
            index = target.get_index() if target else None
            title = bookmark.get_title().strip()
            if index is not None and title:
                found.setdefault(index + 1, []).append((bookmark.level + 1, title))
    except pdfium.PdfiumError:
        return found  # a broken outline costs headings, not the text
    return found


def _shape(line: str) -> str:
    return re.sub(r"\d+", "#", line.lower()).strip()


def _edges(lines: list[str]) -> list[int]:
    return sorted({0, 1, len(lines) - 2, len(lines) - 1} & set(range(len(lines)))) if len(lines) > 4 else []


def _running(window: list[list[str]]) -> set[str]:
    seen = Counter(shape for lines in window for shape in {_shape(lines[i]) for i in _edges(lines)})
    return {shape for shape, times in seen.items() if times >= _REPEATS}


def _labels(lines: list[str], number: int) -> Iterator[tuple[int, int]]:
    """(line, distance to the real page number) of numbers at the rim of the first and last line."""
    for i in (0, len(lines) - 1) if len(lines) > 4 else ():
        for found in _OUTER_NUMBER.finditer(lines[i]):
            yield i, number - int(found.group(1) or found.group(2))


def _label_offsets(window: list[list[str]], first: int) -> set[int]:
    """Distances that stay the same from page to page: those numbers are printed page numbers."""
    seen = Counter(
        offset
        for number, lines in enumerate(window, first)
        for offset in {o for _, o in _labels(lines, number)}
    )
    return {offset for offset, times in seen.items() if times >= _REPEATS}


def _without_running(lines: list[str], running: set[str], number: int, offsets: set[int]) -> list[str]:
    drop = {i for i in _edges(lines) if _shape(lines[i]) in running or _PAGE_NUMBER.match(lines[i])}
    drop |= {i for i, offset in _labels(lines, number) if offset in offsets}
    return [line for i, line in enumerate(lines) if i not in drop]


def _legibility(lines: list[str]) -> tuple[int, int]:
    good = bad = 0
    for line in lines:
        for c in line:
            if c == "\ufffd" or unicodedata.category(c) in {"Co", "Cn", "Cc"}:
                bad += 1
            elif not c.isspace():
                good += 1
    return good, bad


def _key(text: str) -> str:
    text = _NUMBERING.sub("", text.strip())
    return re.sub(r"\W+", "", text.lower())


def _page(lines: list[str], number: int, headings: list[tuple[int, str]]) -> Iterator[Block]:
    waiting = {_key(title): (level, title) for level, title in headings if _key(title)}
    where = {i: _key(line) for i, line in enumerate(lines)}
    present = {key for key in waiting if key in where.values()}
    for key, (level, title) in waiting.items():
        if key not in present:  # set in a way that is not one line of text: it still heads this page
            yield from blocks(BlockKind.HEADING, title, number, level)
    full = statistics.quantiles([len(line) for line in lines], n=10)[-1] if len(lines) > 1 else 80.0
    held: list[str] = []
    for i, line in enumerate(lines):
        if where[i] in present:
            yield from blocks(BlockKind.TEXT, _joined(held, full), number)
            held = []
            present.discard(where[i])
            yield from blocks(BlockKind.HEADING, line, number, waiting[where[i]][0])
            continue
        if held and (
            _BULLET.match(line) or (len(held[-1]) < 0.8 * full and held[-1].endswith((".", "!", "?", ":")))
        ):
            yield from blocks(BlockKind.TEXT, _joined(held, full), number)
            held = []
        held.append(line)
    yield from blocks(BlockKind.TEXT, _joined(held, full), number)


def _joined(lines: list[str], full: float) -> str:
    """Lines of a paragraph run on; short ones (listings, tables) keep their breaks."""
    text = ""
    for i, line in enumerate(lines):
        text += line
        if i + 1 < len(lines):
            text += " " if len(line) > 0.7 * full else "\n"
    return text
