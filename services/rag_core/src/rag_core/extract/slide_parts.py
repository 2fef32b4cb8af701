"""Makes python-pptx open more kinds of presentations, and tolerate damaged parts."""

from __future__ import annotations

from typing import Any, BinaryIO

from lxml import etree
from pptx.opc.constants import CONTENT_TYPE
from pptx.opc.package import Part, PartFactory
from pptx.package import Package
from pptx.parts.presentation import PresentationPart
from pptx.parts.slide import NotesSlidePart, SlideLayoutPart, SlideMasterPart, SlidePart

# Slide shows and templates with macros have the same content under types that python-pptx refuses.
_ALIKE = (
    "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.addin.macroEnabled.main+xml",
)
PartFactory.part_type_for.update(dict.fromkeys(_ALIKE, PresentationPart))
# Charts are read from their own markup: a damaged one must not keep the presentation from opening.
PartFactory.part_type_for.pop(CONTENT_TYPE.DML_CHART, None)


def _tolerant(kind: Any) -> Any:
    """Make this kind of part tolerant: one with damaged markup is kept as bytes, and only fails when used."""

    class Tolerant(kind):  # type: ignore[misc]
        @classmethod
        def load(cls, name: Any, content_type: str, package: Any, blob: bytes) -> Any:
            try:
                return super().load(name, content_type, package, blob)
            except etree.XMLSyntaxError:
                return Part.load(name, content_type, package, blob)

    return Tolerant


for _kind in (SlidePart, NotesSlidePart, SlideLayoutPart, SlideMasterPart):
    for _type, _class in list(PartFactory.part_type_for.items()):
        if _class is _kind:
            PartFactory.part_type_for[_type] = _tolerant(_kind)


def presentation(file: BinaryIO) -> Any:
    """Open a presentation without Presentation(), which refuses slide shows and templates."""
    package: Any = Package.open(file)
    return package.main_document_part.presentation
