"""The names of OpenDocument's markup (OASIS OpenDocument 1.3, part 3), and helpers to read it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lxml import etree

_ALL = "urn:oasis:names:tc:opendocument:xmlns:"
OFFICE = f"{{{_ALL}office:1.0}}"
TEXT = f"{{{_ALL}text:1.0}}"
TABLE = f"{{{_ALL}table:1.0}}"
DRAW = f"{{{_ALL}drawing:1.0}}"
STYLE = f"{{{_ALL}style:1.0}}"
PRESENTATION = f"{{{_ALL}presentation:1.0}}"
FORM = f"{{{_ALL}form:1.0}}"
SVG = f"{{{_ALL}svg-compatible:1.0}}"
LINK = "{http://www.w3.org/1999/xlink}href"
MATH = "{http://www.w3.org/1998/Math/MathML}"


@dataclass(frozen=True, slots=True)
class Source:
    """A document's markup, and the other files of its archive by name (b"" if missing)."""

    content: Any
    styles: Any
    file: Callable[[str], bytes]

    def style(self, element: Any, attribute: str, setting: str) -> str:
        """Return a setting of the element's style, from whichever part of the style has it."""
        name = element.get(attribute)
        for style in self.content.iter(f"{STYLE}style") if name else ():
            if style.get(f"{STYLE}name") == name:
                return next((str(one.get(setting)) for one in style if one.get(setting)), "")
        return ""


def parsed(data: bytes) -> Any:
    """Return the root of some markup, without resolving entities or addresses; None when there is none."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=True)
    try:
        return etree.fromstring(data, parser) if data else None
    except etree.XMLSyntaxError:
        return None


def number(text: str | None, usual: int) -> int:
    """Return an attribute's whole number; the default when there is none."""
    return int(text) if text and text.isdecimal() and len(text) < 8 else usual
