"""PPTX by python-pptx: a slide is a page, its title a heading; tables as Markdown, notes below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.package import Package

from rag_core.extract import archive, strict
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Unreadable, blocks, tables

# What stands on every slide alike: running footers, not content.
_RUNNING = {PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.HEADER}
_TITLES = {PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE, PP_PLACEHOLDER.VERTICAL_TITLE}
_MAX_DEPTH = 20


def parse(path: Path, max_pages: int) -> Iterator[Item]:
    """Head and blocks of a presentation."""
    archive.check(path, "presentation")
    # Not by Presentation(), which refuses slide shows (.ppsx) and templates (.potx).
    with strict.opened(path) as file:
        package: Any = Package.open(file)
    deck = package.main_document_part.presentation
    slides = list(deck.slides)
    if len(slides) > max_pages:
        raise Unreadable(
            "too_many_pages",
            f"the presentation has {len(slides):,} slides, more than the {max_pages:,} allowed; split it",
        )
    yield Head(title=(deck.core_properties.title or "").strip(), pages=len(slides))
    empty = True
    for number, slide in enumerate(slides, 1):
        for block in _slide(slide, number):
            empty = False
            yield block
    if empty:
        raise Unreadable("no_text", "the slides hold no text; pictures of text need OCR first")


def _slide(slide: Any, number: int) -> Iterator[Block]:
    shapes = list(_flat(slide.shapes, 0))
    title = next((shape for shape in shapes if _placeholder(shape) in _TITLES), None)
    if title is not None:
        yield from blocks(BlockKind.HEADING, title.text_frame.text, number, 1)
    # Reading order is top to bottom; the order in the file is the order in which shapes were drawn.
    for shape in sorted(shapes, key=lambda s: (s.top or 0, s.left or 0)):
        if shape is title or _placeholder(shape) in _RUNNING:
            continue
        if getattr(shape, "has_table", False):
            yield from tables(([cell.text for cell in row.cells] for row in shape.table.rows), number)
        elif getattr(shape, "has_chart", False):
            yield from _chart(shape.chart, number)
        elif shape.has_text_frame:
            yield from blocks(BlockKind.TEXT, _paragraphs(shape), number)
    notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
    if notes is not None and notes.text.strip():
        yield from blocks(BlockKind.TEXT, f"Notes: {notes.text}", number)


def _flat(shapes: Iterable[Any], depth: int) -> Iterator[Any]:
    for shape in shapes:
        if hasattr(shape, "shapes") and depth < _MAX_DEPTH:
            yield from _flat(shape.shapes, depth + 1)
        else:
            yield shape


def _placeholder(shape: Any) -> object:
    return shape.placeholder_format.type if getattr(shape, "is_placeholder", False) else None


def _paragraphs(shape: Any) -> str:
    found = [p for p in shape.text_frame.paragraphs if p.text.strip()]
    listed = len(found) > 1
    return "\n".join(f"{'  ' * p.level}- {p.text}" if listed else p.text for p in found)


def _chart(chart: Any, number: int) -> Iterator[Block]:
    """A chart's own figures as a table."""
    plots = list(chart.plots)
    if not plots:
        return
    names = [str(series.name or "") for series in plots[0].series]
    rows = [
        [str(category), *(str(series.values[i]) for series in plots[0].series if i < len(series.values))]
        for i, category in enumerate(plots[0].categories)
    ]
    title = chart.chart_title.text_frame.text if chart.has_title and chart.chart_title.has_text_frame else ""
    yield from tables([[title, *names], *rows] if rows else [], number)
