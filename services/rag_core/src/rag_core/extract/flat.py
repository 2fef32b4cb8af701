"""Office files saved as one XML file ("flat"): packed as the archive that they stand for, and so read."""

from __future__ import annotations

import base64
import binascii
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

from lxml import etree

from rag_core.extract.blocks import Unreadable

_PACKAGE = "{http://schemas.microsoft.com/office/2006/xmlPackage}"
_OFFICE = "{urn:oasis:names:tc:opendocument:xmlns:office:1.0}"
_TYPES = "http://schemas.openxmlformats.org/package/2006/content-types"
_MANIFEST = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"


def is_flat(root: Any) -> bool:
    """Whether this is Word's "XML document" of 2007 and later, or a flat OpenDocument file."""
    return root.tag in {f"{_PACKAGE}package", f"{_OFFICE}document"}


@contextmanager
def packed(root: Any) -> Iterator[Path]:
    """The archive that the file stands for, for as long as it is read."""
    with tempfile.NamedTemporaryFile(prefix="flat-") as made:
        try:
            with zipfile.ZipFile(made.name, "w", zipfile.ZIP_DEFLATED) as archive:
                parts = _package(root) if root.tag.startswith(_PACKAGE) else _opendocument(root)
                for name, content in parts:
                    archive.writestr(name, content)
        except OSError as error:  # the container's small memory disk
            why = "the file is too large to be read as XML; save it in its program's own format"
            raise Unreadable("too_large", why) from error
        yield Path(made.name)


def _package(root: Any) -> Iterator[tuple[str, bytes]]:
    types = []
    for part in root.iterfind(f"{_PACKAGE}part"):
        name = part.get(f"{_PACKAGE}name") or ""
        types.append((name, part.get(f"{_PACKAGE}contentType") or ""))
        markup = part.find(f"{_PACKAGE}xmlData")
        if markup is not None and len(markup):
            yield name.lstrip("/"), etree.tostring(markup[0], xml_declaration=True, encoding="UTF-8")
            continue
        try:
            content = base64.b64decode(part.findtext(f"{_PACKAGE}binaryData") or "")
        except (binascii.Error, ValueError):
            content = b""
        yield name.lstrip("/"), content
    listed = "".join(
        f"<Override PartName={quoteattr(name)} ContentType={quoteattr(kind)}/>" for name, kind in types
    )
    yield "[Content_Types].xml", f'<Types xmlns="{_TYPES}">{listed}</Types>'.encode()


def _opendocument(root: Any) -> Iterator[tuple[str, bytes]]:
    kind = root.get(f"{_OFFICE}mimetype") or "application/vnd.oasis.opendocument.text"
    yield "mimetype", kind.encode()
    yield "META-INF/manifest.xml", f'<manifest xmlns="{_MANIFEST}"/>'.encode()
    for data in root.iter(f"{_OFFICE}binary-data"):
        data.text = ""  # pictures, which are named as such
    for name in ("meta", "styles", "content"):
        whole = etree.Element(f"{_OFFICE}document-{name}", nsmap=root.nsmap)
        kept = {"meta": ("meta",), "styles": ("styles", "automatic-styles", "master-styles")}
        for part in root.iterchildren(*(f"{_OFFICE}{one}" for one in kept.get(name, ("body",)))):
            whole.append(part)
        yield f"{name}.xml", etree.tostring(whole, xml_declaration=True, encoding="UTF-8")
