"""How python-pptx opens a package: more kinds of presentations, and no part that costs the others."""

from __future__ import annotations

from typing import Any, BinaryIO

from lxml import etree
from pptx.opc.constants import CONTENT_TYPE
from pptx.opc.package import Part, PartFactory
from pptx.package import Package
from pptx.parts.presentation import PresentationPart
from pptx.parts.slide import NotesSlidePart, SlideLayoutPart, SlideMasterPart, SlidePart

# Shows and templates with macros hold the same under names that python-pptx refuses.
_ALIKE = (
    "application/vnd.ms-powerpoint.slideshow.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.template.macroEnabled.main+xml",
    "application/vnd.ms-powerpoint.addin.macroEnabled.main+xml",
)
PartFactory.part_type_for.update(dict.fromkeys(_ALIKE, PresentationPart))
# Charts are read from their own markup: one that is damaged must not keep the deck from being opened.
PartFactory.part_type_for.pop(CONTENT_TYPE.DML_CHART, None)


def _tolerant(kind: Any) -> Any:
    """The same kind of part; one whose markup is damaged is kept as bytes, and missed where it is needed."""

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
    """The presentation in a file, not by Presentation(), which refuses shows and templates."""
    package: Any = Package.open(file)
    return package.main_document_part.presentation
