"""PPTX by python-pptx: a slide is a page, its title a heading; tables and charts as Markdown, notes below."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from pptx.enum.shapes import PP_PLACEHOLDER

from rag_core.extract import archive, strict
from rag_core.extract.attached import Reader, unread
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
from rag_core.extract.charts import chart, diagram, parsed
from rag_core.extract.embedded import embedded
from rag_core.extract.slide_parts import presentation
from rag_core.extract.slide_shapes import (
    UNEXPECTED,
    Unknown,
    cells,
    choose,
    ordered,
    paragraphs,
    placeholder,
    words,
)

# Placeholders that are the same on every slide: read once.
_RUNNING = {PP_PLACEHOLDER.DATE, PP_PLACEHOLDER.FOOTER, PP_PLACEHOLDER.SLIDE_NUMBER, PP_PLACEHOLDER.HEADER}
_TITLES = {PP_PLACEHOLDER.TITLE, PP_PLACEHOLDER.CENTER_TITLE, PP_PLACEHOLDER.VERTICAL_TITLE}
_RELATION = "{http://schemas.openxmlformats.org/officeDocument/2006/relationships}"
_MEDIA = ("{*}audioFile", "{*}videoFile", "{*}wavAudioFile", "{*}quickTimeFile", "{*}audioCd")
_MOST_NAMED = 10


def parse(path: Path, max_pages: int, read: Reader) -> Iterator[Item]:
    """Head and blocks of a presentation; `read` gives the blocks of embedded files."""
    archive.check(path, "presentation")
    with strict.opened(path) as file:
        deck = presentation(file)
    numbered = list(enumerate(deck.element.get_or_add_sldIdLst(), 1))
    if len(numbered) > max_pages:
        raise Unreadable(
            "too_many_pages",
            f"the presentation has {len(numbered):,} slides, more than the {max_pages:,} allowed; split it",
        )
    yield Head(title=(deck.core_properties.title or "").strip(), pages=len(numbered))
    empty = True
    reading = _Deck(deck, read)
    for number, named in numbered:
        for item in reading.slide(named.rId, number):
            empty = empty and not isinstance(item, Block)
            yield item
    yield from reading.remarks()
    if empty and reading.damaged:
        raise Unreadable(
            "corrupt", "the file is damaged: its slides are missing or cut; copy or download it again"
        )
    if empty:
        raise Unreadable("no_text", "the slides hold no text")


class _Deck:
    """A presentation's slides, and what is read only once for all of them."""

    def __init__(self, deck: Any, read: Reader) -> None:
        self.damaged = 0
        self._read = read
        self._part = deck.part
        self._running: set[str] = set()
        self._behind: set[int] = set()
        self._hidden: list[int] = []
        self._objects: list[tuple[Any, str, Any]] = []
        self._authors = _authors(deck.part)

    def slide(self, relation: str, number: int) -> Iterator[Item]:
        """Yield everything that a slide shows, then its notes and comments."""
        try:
            slide = self._part.related_slide(relation)
        except (KeyError, AttributeError):
            self.damaged += 1
            message = f"slide {number} is missing or damaged; open the presentation and save it again"
            yield Note(Part.TEXT, read=False, message=message)
            return
        if slide.element.get("show") in {"0", "false"}:
            self._hidden.append(number)
        choose(slide.element)
        shapes = list(ordered(slide.shapes))
        title = next((shape for shape in shapes if placeholder(shape) in _TITLES), None)
        if title is not None:
            yield from self._guarded(self._title, title, number)
        for shape in shapes:
            if shape is not title:
                yield from self._guarded(self._shape, shape, number)
        yield from self._guarded(self._background, slide, number)
        yield from self._guarded(self._notes, slide, number)
        yield from self._guarded(self._comments, slide, number)
        # Last, since their headings would also apply to the rest of the slide.
        objects, self._objects = self._objects, []
        for element, name, shape in objects:
            yield from self._guarded(partial(self._object, element, name), shape, number)

    def remarks(self) -> Iterator[Item]:
        """Yield one note for all slides that are hidden in a show."""
        if self._hidden:
            message = f"{_slides(self._hidden)}: hidden in a show, and read all the same"
            yield Note(Part.TEXT, 0, message=message)

    def _guarded(
        self, inner: Callable[[Any, int], Iterator[Item]], thing: Any, number: int
    ) -> Iterator[Item]:
        """Yield what one shape contains; one that python-pptx cannot read is reported and skipped."""
        try:
            yield from inner(thing, number)
        except UNEXPECTED as error:
            name = str(
                getattr(thing, "name", "") or getattr(inner, "__name__", "an embedded file").strip("_")
            )
            message = f"slide {number}: {name} could not be read ({type(error).__name__})"
            yield Note(Part.TEXT, read=False, message=message)

    def _title(self, shape: Any, number: int) -> Iterator[Item]:
        text = " ".join(words(one._p) for one in shape.text_frame.paragraphs)
        yield from blocks(BlockKind.HEADING, text, number, 1)

    def _shape(self, shape: Any, number: int) -> Iterator[Item]:
        if isinstance(shape, Unknown):
            yield from self._unknown(shape, number)
        elif placeholder(shape) in _RUNNING:
            yield from self._once(shape, number)
        elif getattr(shape, "has_table", False):
            yield Note(Part.TABLE)
            yield from tables(cells(shape.element), number)
        elif shape.element.tag.endswith("}graphicFrame"):
            yield from self._frame(shape, number)
        elif shape.element.tag.endswith("}pic"):
            yield from self._picture(shape, number)
        elif shape.has_text_frame:
            yield from blocks(BlockKind.TEXT, paragraphs(shape), number)

    def _unknown(self, shape: Unknown, number: int) -> Iterator[Item]:
        # A pen drawing (ink) counts as a picture.
        pictures = [Picture(b"", number, "slide") for _ in shape.element.iter("{*}contentPart", "{*}pic")]
        yield from pictures
        yield from blocks(BlockKind.TEXT, shape.words, number)
        if not shape.words and not pictures:
            message = f"slide {number}: {shape.name or 'a shape'} is of a kind that cannot be read"
            yield Note(Part.TEXT, read=False, message=message)

    def _once(self, shape: Any, number: int) -> Iterator[Item]:
        found = shape.text_frame.paragraphs if shape.has_text_frame else ()
        text = " ".join(words(one._p, numbered=False) for one in found).strip()
        counts = placeholder(shape) is PP_PLACEHOLDER.SLIDE_NUMBER and not any(map(str.isalpha, text))
        if any(map(str.isalnum, text)) and not counts and text not in self._running:
            self._running.add(text)
            yield from blocks(BlockKind.TEXT, text, number)

    def _frame(self, shape: Any, number: int) -> Iterator[Item]:
        """Yield a chart, a diagram or an embedded file, depending on what the frame refers to."""
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
                self._objects.append((one, relation, shape))

    def _object(self, element: Any, relation: str, shape: Any, number: int) -> Iterator[Item]:
        named = str(element.get("name") or "")
        if shape.part.rels[relation].is_external:
            why = "it is only linked and is elsewhere; add it by itself"
            yield from unread(PurePosixPath(shape.part.rels[relation].target_ref).name or named, why, number)
            return
        part = shape.part.related_part(relation)
        file = PurePosixPath(str(part.partname)).name
        yield from embedded(part.blob, f"{named} {file}".strip(), self._read, number)

    def _picture(self, shape: Any, number: int) -> Iterator[Item]:
        if next(shape.element.iter(*_MEDIA), None) is not None:
            message = f"slide {number}: sound or video ({shape.name}), not read; add its transcript as text"
            yield Note(Part.ATTACHMENT, read=False, message=message)
            return
        text = next((str(one.get("descr") or "") for one in shape.element.iter("{*}cNvPr")), "")
        yield from blocks(BlockKind.TEXT, f"Picture: {text}" if text.strip() else "", number)
        for one in shape.element.iter("{*}blip"):
            yield Picture(_blob(shape.part, one), number, "slide", described=bool(text.strip()))

    def _background(self, slide: Any, number: int) -> Iterator[Item]:
        """Yield what the layout and the master draw on the slide, with the first slide that shows it.

        Their placeholders ("Click to edit") are not shown on any slide.
        """
        shows = slide.element
        for behind in (slide.slide_layout, slide.slide_layout.slide_master):
            if shows.get("showMasterSp") in {"0", "false"}:
                return
            shows = behind.element
            if id(behind.part) in self._behind:
                continue
            self._behind.add(id(behind.part))
            choose(behind.element)
            for shape in ordered(behind.shapes):
                if getattr(shape, "is_placeholder", False) or shape.element.tag.endswith("}pic"):
                    continue  # pictures here are ornaments
                drawn = self._once if getattr(shape, "has_text_frame", False) else self._shape
                yield from self._guarded(drawn, shape, number)

    def _notes(self, slide: Any, number: int) -> Iterator[Item]:
        if not slide.has_notes_slide:
            return
        choose(slide.notes_slide.element)
        text: list[str] = []
        beside: list[Item] = []
        for shape in ordered(slide.notes_slide.shapes):
            if placeholder(shape) in _RUNNING:
                beside += self._guarded(self._once, shape, number)
            elif getattr(shape, "has_text_frame", False):
                text += filter(None, [paragraphs(shape)])
            elif placeholder(shape) is not PP_PLACEHOLDER.SLIDE_IMAGE:
                beside += self._guarded(self._shape, shape, number)
        if text:
            yield Note(Part.NOTE)
            yield from blocks(BlockKind.TEXT, "Notes: " + "\n".join(text), number)
        yield from beside

    def _comments(self, slide: Any, number: int) -> Iterator[Item]:
        for relation in slide.part.rels.values():
            if relation.is_external or not relation.reltype.endswith("/comments"):
                continue
            root = parsed(relation.target_part.blob)
            # Comments of older programs have a text element; newer ones have paragraphs and replies.
            for comment in root.iter("{*}cm", "{*}reply") if root is not None else ():
                text = comment.findtext("{*}text") or ""
                for body in comment.iterchildren("{*}txBody"):
                    text += "\n".join(words(one) for one in body.iter("{*}p"))
                who = self._authors.get(str(comment.get("authorId")), "")
                if text.strip():
                    yield Note(Part.COMMENT)
                    yield from blocks(BlockKind.TEXT, f"Comment{f' by {who}' if who else ''}: {text}", number)


def _blob(part: Any, blip: Any) -> bytes:
    """Return the picture that a shape shows; empty if it is outside the file."""
    found = part.rels.get(blip.get(f"{_RELATION}embed") or "")
    return b"" if found is None or found.is_external else bytes(found.target_part.blob)


def _slides(numbers: list[int]) -> str:
    """Name slides by their numbers: "slides 2, 5 and others"."""
    found = sorted(set(numbers))
    where = ", ".join(map(str, found[:_MOST_NAMED])) + (" and others" if len(found) > _MOST_NAMED else "")
    return f"slide{'s' if len(found) > 1 else ''} {where}"


def _authors(part: Any) -> dict[str, str]:
    found: dict[str, str] = {}
    for relation in part.rels.values():
        if not relation.is_external and relation.reltype.endswith(("/commentAuthors", "/authors")):
            root = parsed(relation.target_part.blob)
            for one in root.iter("{*}cmAuthor", "{*}author") if root is not None else ():
                found[str(one.get("id"))] = str(one.get("name") or "")
    return found
