"""What a paragraph's style makes it: a heading of some level, or a list item with its number."""

from __future__ import annotations

import re
from typing import Any

from rag_core.extract.charts import parsed
from rag_core.extract.word_numbering import Numbering
from rag_core.extract.word_xml import w

_HEADING = re.compile(r"heading ([1-9])", re.I)
_MOST_BASES = 20  # limit for styles that are based on themselves
_BODY_LEVEL = 9


class Styles:
    """The styles and the numbers of a document."""

    def __init__(self, part: Any) -> None:
        """Read both parts; a document may lack either of them."""
        self._styles: dict[str, Any] = {}
        self._usual: str | None = None
        numbering = None
        for relation in part.rels.values():
            if relation.is_external:
                continue
            if relation.reltype.endswith("/styles"):
                self._learn(parsed(relation.target_part.blob))
            elif relation.reltype.endswith("/numbering"):
                numbering = parsed(relation.target_part.blob)
        self._numbering = Numbering(numbering)

    def heading(self, paragraph: Any) -> int:
        """Return the level of a heading, from 1; 0 if it is none."""
        own = self._outline(paragraph.find(w("pPr")))
        if own is not None:
            return own
        for style in self._chain(paragraph):
            name = _value(style.find(w("name")))
            if found := _HEADING.fullmatch(name):
                return int(found[1])
            if name.lower() == "title":
                return 1
            if (level := self._outline(style.find(w("pPr")))) is not None:
                return level
        return 0

    def label(self, paragraph: Any) -> str:
        """Return the number or bullet before the paragraph, with a blank; empty if there is none."""
        instance: str | None = None
        level: int | None = None
        chain = self._chain(paragraph)
        for style in (None, *chain):
            properties = (paragraph if style is None else style).find(w("pPr"))
            found = properties.find(w("numPr")) if properties is not None else None
            if found is None:
                continue
            instance = instance or _value(found.find(w("numId"))) or None
            if level is None and (text := _value(found.find(w("ilvl")))).isdigit():
                level = int(text)
            if instance is not None:
                if level is None and style is not None:
                    level = self._numbering.level_of(instance, str(style.get(w("styleId"))))
                break
        if (
            instance is not None
        ):  # "0" is no list: it removes the number from a paragraph whose style would give it one
            return self._numbering.label(instance, level or 0)
        names = (_value(style.find(w("name"))) for style in chain)
        return "- " if any(name.startswith("List") for name in names) else ""

    def _learn(self, root: Any | None) -> None:
        for style in root.iterfind(w("style")) if root is not None else ():
            if style.get(w("type")) in {None, "paragraph"}:
                identity = str(style.get(w("styleId")))
                self._styles[identity] = style
                if style.get(w("default")) in {"1", "true"}:
                    self._usual = identity

    def _chain(self, paragraph: Any) -> list[Any]:
        """Return the paragraph's style and those that it is based on."""
        properties = paragraph.find(w("pPr"))
        identity = _value(properties.find(w("pStyle"))) if properties is not None else ""
        found: list[Any] = []
        while (style := self._styles.get(identity or self._usual or "")) is not None and len(
            found
        ) < _MOST_BASES:
            found.append(style)
            identity = _value(style.find(w("basedOn")))
            if not identity:
                break
        return found

    @staticmethod
    def _outline(properties: Any | None) -> int | None:
        text = _value(properties.find(w("outlineLvl"))) if properties is not None else ""
        if not text.isdigit():
            return None
        return int(text) + 1 if int(text) < _BODY_LEVEL else 0


def _value(element: Any | None) -> str:
    return str(element.get(w("val"), "")) if element is not None else ""
