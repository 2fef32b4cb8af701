"""PPTX by python-pptx: a slide is a page, its title a heading; tables and charts as Markdown, notes below."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.opc.package import PartFactory
from pptx.package import Package
from pptx.parts.presentation import PresentationPart

from rag_core.extract import archive, strict
from rag_core.extract.attached import Reader
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Note, Part, Unreadable, blocks, tables
from rag_core.extract.charts import chart, diagram, parsed
from rag_core.extract.embedded import embedded

# Shows and templates with macros hold the same under names that python-pptx refuses.
_ALIKE = (
    "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
)
PartFactory.part_type_for.update(dict.fromkeys(_ALIKE, PresentationPart))
# What stands on every slide alike: said once.
_RUNNING = {PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.HEADER}
_TITLES = {PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE, PP_PLACEHOLDER.VERTICAL_TITLE}
_MAX_DEPTH = 20
_CHOICES = "{http://schemas.openxmlformats.org/markup-compatibility/2006}"
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"


def parse(path: Path, max_pages: int, read: Reader) -> Iterator[Item]:
    """Head and blocks of a presentation; `read` gives the blocks of embedded files."""
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
    reading = _Deck(deck, read)
    for number, slide in enumerate(slides, 1):
        for item in reading.slide(slide, number):
            empty = empty and not isinstance(item, Block)
            yield item
    yield from reading.pictures()
    if empty:
        raise Unreadable(
            "no_text", "the slides hold no text; print them to PDF, whose pictures of text are read"
        )


class _Deck:
    """A presentation's slides, and what is said once for all of them."""

    def __init__(self, deck: Any, read: Reader) -> None:
        self._read = read
        self._running: set[str] = set()
        self._behind: set[int] = set()
        self._unseen: list[int] = []
        self._authors = _authors(deck.part)

    def slide(self, slide: Any, number: int) -> Iterator[Item]:
        """Everything that a slide shows, then its notes and comments."""
        if slide.element.get("show") == "0":
            yield Note(Part.TEXT, 0, message=f"slide {number} is hidden in a show, and was read all the same")
        _choose(slide.element)
        shapes = list(_flat(slide.shapes, 0))
        title = next((shape for shape in shapes if _placeholder(shape) in _TITLES), None)
        if title is not None:
            yield from blocks(BlockKind.HEADING, title.text_frame.text, number, 1)
        # Reading order is top to bottom; the order in the file is the order in which shapes were drawn.
        for shape in sorted(shapes, key=_place):
            if shape is not title:
                yield from self._guarded(self._shape, shape, number)
        yield from self._guarded(self._background, slide, number)
        notes = slide.notes_slide.notes_text_frame if slide.has_notes_slide else None
        if notes is not None and notes.text.strip():
            yield Note(Part.NOTE)
            yield from blocks(BlockKind.TEXT, f"Notes: {notes.text}", number)
        yield from self._guarded(self._comments, slide, number)

    def pictures(self) -> Iterator[Item]:
        """One note for all pictures that say nothing of themselves."""
        if self._unseen:
            many = "a picture" if len(self._unseen) == 1 else f"{len(self._unseen)} pictures"
            slides = sorted(set(self._unseen))
            where = ", ".join(map(str, slides[:10])) + (" and others" if len(slides) > 10 else "")
            message = f"slide{'s' if len(slides) > 1 else ''} {where}: {many} without a description, not read"
            yield Note(Part.PICTURE, len(self._unseen), read=False, message=message)

    def _guarded(
        self, inner: Callable[[Any, int], Iterator[Item]], thing: Any, number: int
    ) -> Iterator[Item]:
        """What one shape gives; one that python-pptx does not understand is named, and costs only itself."""
        try:
            yield from inner(thing, number)
        except (ValueError, KeyError, AttributeError, TypeError, IndexError, NotImplementedError) as error:
            name = str(getattr(thing, "name", "") or "a shape")
            message = f"slide {number}: {name} could not be read ({type(error).__name__})"
            yield Note(Part.TEXT, read=False, message=message)

    def _shape(self, shape: Any, number: int) -> Iterator[Item]:
        if _placeholder(shape) in _RUNNING:
            yield from self._once(shape, number)
        elif getattr(shape, "has_table", False):
            yield Note(Part.TABLE)
            yield from tables(([cell.text for cell in row.cells] for row in shape.table.rows), number)
        elif shape.element.tag.endswith("}graphicFrame"):
            yield from self._frame(shape, number)
        elif shape.element.tag.endswith("}pic"):
            yield from self._picture(shape, number)
        elif shape.has_text_frame:
            yield from blocks(BlockKind.TEXT, _paragraphs(shape), number)

    def _once(self, shape: Any, number: int) -> Iterator[Item]:
        said = shape.text_frame.text.strip() if shape.has_text_frame else ""
        if any(map(str.isalpha, said)) and said not in self._running:
            self._running.add(said)
            yield from blocks(BlockKind.TEXT, said, number)

    def _frame(self, shape: Any, number: int) -> Iterator[Item]:
        """A chart, a diagram or an embedded file, by what the frame refers to."""
        for one in shape.element.iter():
            relation = one.get(f"{_RELATION}id") or one.get(f"{_RELATION}dm")
            if not relation or not isinstance(one.tag, str):
                continue
            name = one.tag.rpartition("}")[2]
            if name == "chart":
                yield from chart(shape.part.related_part(relation).blob, number)
            elif name == "relIds":
                yield from diagram(shape.part.related_part(relation).blob, number)
            elif name == "oleObj":
                if shape.part.rels[relation].is_external:
                    continue
                part = shape.part.related_part(relation)
                file = PurePosixPath(str(part.partname)).name
                yield from embedded(part.blob, str(one.get("name") or "") + f" {file}", self._read, number)

    def _picture(self, shape: Any, number: int) -> Iterator[Item]:
        said = next((str(one.get("descr") or "") for one in shape.element.iter("{*}cNvPr")), "")
        if said.strip():
            yield from blocks(BlockKind.TEXT, f"Picture: {said}", number)
        else:
            self._unseen.append(number)

    def _background(self, slide: Any, number: int) -> Iterator[Item]:
        """Text that the layout and the master draw on the slide: said with the first that shows it."""
        for behind in (slide.slide_layout, slide.slide_layout.slide_master):
            if id(behind.part) in self._behind:
                continue
            self._behind.add(id(behind.part))
            for shape in _flat(behind.shapes, 0):
                if not getattr(shape, "is_placeholder", False) and getattr(shape, "has_text_frame", False):
                    yield from self._once(shape, number)

    def _comments(self, slide: Any, number: int) -> Iterator[Item]:
        for relation in slide.part.rels.values():
            if relation.is_external or not relation.reltype.endswith("/comments"):
                continue
            root = parsed(relation.target_part.blob)
            for comment in root.iter("{*}cm") if root is not None else ():
                said = comment.findtext("{*}text") or " ".join(one.text or "" for one in comment.iter("{*}t"))
                who = self._authors.get(str(comment.get("authorId")), "")
                if said.strip():
                    yield Note(Part.COMMENT)
                    yield from blocks(BlockKind.TEXT, f"Comment{f' by {who}' if who else ''}: {said}", number)


def _choose(element: Any) -> None:
    """Put what a newer program would show in the place of its alternatives."""
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


def _authors(part: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(("/commentAuthors", "/authors")):
            root = parsed(relation.target_part.blob)
            for one in root.iter("{*}cmAuthor", "{*}author") if root is not None else ():
                found[str(one.get("id"))] = str(one.get("name") or "")
    return found


def _place(shape: Any) -> tuple[int, int]:
    try:
        return (shape.top or 0, shape.left or 0)
    except (ValueError, AttributeError, TypeError):  # a place that is no number
        return (0, 0)


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
