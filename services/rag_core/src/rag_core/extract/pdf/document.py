"""A PDF from its head to its last block, window after window of pages."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import pypdfium2 as pdfium

from rag_core.extract.attached import Reader as FileReader
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Note, Part, Pulse, blocks, span
from rag_core.extract.pdf import embedded, failures, headings, tables
from rag_core.extract.pdf.line import Line
from rag_core.extract.pdf.paragraphs import page_blocks
from rag_core.extract.pdf.pictures import Pictures
from rag_core.extract.pdf.reading import Page, Reader
from rag_core.extract.pdf.running import Running
from rag_core.extract.pdf.scale import Scale, sampled
from rag_core.extract.pictures import Recognition

_WINDOW = 40  # pages compared together for running headers
_SCANNED_WINDOW = 8  # a scanned page takes seconds, so fewer are read before the first result


def parse(
    path: Path, max_pages: int, recognition: Recognition, attached: FileReader | None = None
) -> Iterator[Item]:
    """Head, blocks and notes of a PDF; pages without usable text are read by OCR.

    `attached` reads embedded files; without it they are reported as unread.
    """
    document = failures.opened(path)
    try:
        pages = failures.checked(document, max_pages)
        title = str(document.get_metadata_dict().get("Title") or "")
        yield Head(title=title.strip(), pages=pages)
        yield from _Reading(document, pages, recognition).items(attached)
    finally:
        document.close()


class _Reading:
    """The state of reading one document."""

    def __init__(self, document: pdfium.PdfDocument, pages: int, recognition: Recognition) -> None:
        self._document, self._pages = document, pages
        self._pictures = Pictures(recognition)
        self._running = Running(pages)
        self._titles = headings.outline(document)
        self._scale: Scale | None = None
        self._above: Line | None = None  # the last line of the previous page
        self._readable = self._unreadable = 0
        self._tables = self._fields = self._comments = 0
        self._pinned: list[tuple[int, int]] = []
        self._broken: list[int] = []
        self._played: list[int] = []

    def items(self, attached: FileReader | None) -> Iterator[Item]:
        """Yield everything but the head."""
        form = failures.form(self._document)
        # Bookmarks on a single page name the document or its source; they are not an outline.
        self._scale = None if len(self._titles) > 1 else (yield from sampled(self._document))
        reader = Reader(self._document, self._pictures, self._scale)
        start = 0
        while start < self._pages:
            window: list[Page] = []
            seen = self._pictures.seen
            while start + len(window) < self._pages and len(window) < _WINDOW:
                window.append(reader.page(start + len(window)))
                yield Pulse(start + len(window))
                if self._pictures.seen > seen and len(window) >= _SCANNED_WINDOW:
                    break
            yield from self._window(window, start)
            start += len(window)
        inside = False
        for item in embedded.files(self._document, self._pinned, attached):
            inside = inside or isinstance(item, Block)
            yield item
        beside = inside or bool(self._fields or self._comments)
        if self._unreadable > self._readable or (self._readable == 0 and not beside):
            raise failures.nothing(self._pages, self._readable, self._unreadable, self._pictures)
        yield from self._notes(form)

    def _window(self, window: Sequence[Page], start: int) -> Iterator[Item]:
        found = [page.lines for page in window]
        self._running.learn(found, start + 1)
        self._scale = self._scale and headings.learnt(self._scale, found, start)
        for number, page in enumerate(window, start + 1):
            self._readable += page.legible[0]
            self._unreadable += page.legible[1]
            here = self._titles.get(number, [])
            heading = partial(headings.likely, titles=here, scale=self._scale)
            kept = self._running.without(page.lines, number, heading)
            own = kept.lines
            tables.continued(self._above, own)
            self._above = own[-1] if own else None
            own = headings.by_type(own, self._scale) if self._scale else own
            self._tables += sum(bool(line.rows) for line in own)
            yield from page_blocks(kept.above, number)
            yield from page_blocks(headings.by_outline(own, here), number)
            yield from page_blocks(kept.below, number)
            yield from self._beside(page, number)

    def _beside(self, page: Page, number: int) -> Iterator[Block]:
        beside = page.beside
        self._fields += len(beside.fields)
        self._comments += len(beside.comments)
        self._pinned += [(number - 1, place) for place in beside.files]
        self._broken += [number] if page.broken else []
        self._played += [number] * beside.played
        yield from blocks(BlockKind.TEXT, "\n".join(beside.fields), number)
        for comment in beside.comments:
            yield from blocks(BlockKind.TEXT, comment, number)

    def _notes(self, form: int) -> Iterator[Note]:
        read = {
            Part.TABLE: self._tables,
            Part.FORM_FIELD: self._fields,
            Part.COMMENT: self._comments,
            Part.RUNNING_LINE: self._running.left_out,
        }
        yield from (Note(part, count) for part, count in read.items() if count)
        yield from self._pictures.notes()
        if self._broken:
            message = f"{span('page', self._broken)}: damaged and not read; copy or download the file again"
            yield Note(Part.TEXT, len(self._broken), read=False, message=message)
        if self._played:
            message = f"{span('page', self._played)}: films, sounds or models, which are not read"
            yield Note(Part.PICTURE, len(self._played), read=False, message=message)
        if form in failures.XFA:
            message = (
                "the document holds an XFA form: what its pages and plain fields show was read, and the rest"
                " was not; print it to a new PDF to have all of it"
            )
            yield Note(Part.FORM_FIELD, read=False, message=message)
