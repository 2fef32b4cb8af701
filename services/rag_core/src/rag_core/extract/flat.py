"""Office files saved as a single XML file, repacked as the equivalent archive."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from rag_core.extract.blobs import decoded
from rag_core.extract.blocks import Unreadable

_PACKAGE = "{http://schemas.microsoft.com/office/2006/xmlPackage}"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"


# Name, content type and content of a part.
Entry = tuple[str, str, bytes]


def is_flat(root: Any) -> bool:
    """Whether this is an "XML document" of Word 2007 or later, or of another program in that format."""
    return bool(root.tag == f"{_PACKAGE}package")


@contextmanager
def packed(root: Any) -> Iterator[Path]:
    """Provide the equivalent archive as a temporary file."""
    with tempfile.NamedTemporaryFile(prefix="flat-") as made:
        try:
            pack(made, _parts(root))
            made.flush()
        except OSError as error:  # the container's small memory disk
            why = "the file is too large to be read as XML; save it in its program's own format"
            raise Unreadable("too_large", why) from error
        yield Path(made.name)


def pack(into: IO[bytes], parts: Iterable[Entry]) -> None:
    """Write an Office file with these parts, one after the other."""
    types = []
    with zipfile.ZipFile(into, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, kind, content in parts:
            types.append(f"<Override PartName={quoteattr(f'/{name}')} ContentType={quoteattr(kind)}/>")
            archive.writestr(name, content)
        archive.writestr("[Content_Types].xml", f'<Types xmlns="{_TYPES}">{"".join(types)}</Types>')


def _parts(root: Any) -> Iterator[Entry]:
    for part in root.iterfind(f"{_PACKAGE}part"):
        name = (part.get(f"{_PACKAGE}name") or "").lstrip("/")
        kind = part.get(f"{_PACKAGE}contentType") or ""
        markup = part.find(f"{_PACKAGE}xmlData")
        if markup is not None and len(markup):
            yield name, kind, etree.tostring(markup[0], xml_declaration=True, encoding="UTF-8")
            continue
        yield name, kind, decoded(part.findtext(f"{_PACKAGE}binaryData") or "")
