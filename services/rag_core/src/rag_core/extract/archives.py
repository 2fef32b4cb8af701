"""What a zip archive declares before its parts are read: how many there are, and what it is."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from pathlib import Path

from rag_core.models import DocumentKind

# What zipfile raises for an archive, or a part of one, that is truncated, missing or corrupt.
DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    OSError,
    ValueError,
    NotImplementedError,
)
_END, _END_BYTES, _END_COMMENT = b"PK\x05\x06", 22, 65_535
_LOCATOR, _LOCATOR_BYTES = b"PK\x06\x07", 20
_END_64, _END_64_BYTES = b"PK\x06\x06", 56
_IN_64 = 0xFFFFFFFF
_MIMETYPE = "mimetype"
_CONTAINER = "META-INF/container.xml"
_MANIFEST = "META-INF/manifest.xml"
_DECLARED_BYTES = 64 * 1024
# Words in an archive's declaration -> what it is, and what to do.
DECLARED = {
    "adobe.indesign-idml": "an InDesign file (.idml); export it as PDF",
    "etsi.asic": "a container of signed files; save the files in it, and bring those",
    "x-sketch": "a drawing; save it as PDF",
    "openxpsdocument": "an XPS file; print it to PDF",
    "x-krita": "a picture; put it into a PDF, whose pictures of text are read",
    "image/openraster": "a picture; put it into a PDF, whose pictures of text are read",
}


def directory_bytes(path: Path) -> int:
    """Return the size of the archive's table of parts, as it declares; 0 when it has none.

    Each entry takes about ten times its size in memory, so the size is checked before the table is read.
    """
    with path.open("rb") as file:
        size = file.seek(0, 2)
        begin = max(0, size - _END_BYTES - _END_COMMENT - _LOCATOR_BYTES)
        file.seek(begin)
        tail = file.read()
        at = tail.rfind(_END)
        if at < 0 or len(tail) - at < _END_BYTES:
            return 0
        found = int.from_bytes(tail[at + 12 : at + 16], "little")
        locator = tail[max(0, at - _LOCATOR_BYTES) : at]
        if found != _IN_64 or not locator.startswith(_LOCATOR):
            return found
        where = int.from_bytes(locator[8:16], "little")
        file.seek(min(where, size))
        end = file.read(_END_64_BYTES)
        return int.from_bytes(end[40:48], "little") if end.startswith(_END_64) else found


def declared(archive: zipfile.ZipFile) -> str:
    """Return what the archive declares to be in its "mimetype" and its container; empty without either."""
    text = ""
    for name in {_MIMETYPE, _CONTAINER} & {*archive.namelist()}:
        with contextlib.suppress(*DAMAGED, RuntimeError), archive.open(name) as part:  # RuntimeError: locked
            text += part.read(_DECLARED_BYTES).decode("utf-8", "replace").lower() + "\n"
    return text


def may_be(kind: DocumentKind, names: set[str], text: str) -> bool:
    """Whether the archive is of this kind, although other archives have parts of the same names."""
    if kind is DocumentKind.EPUB:
        named = "<rootfile" not in text or "oebps-package" in text or ".opf" in text
        return named and not any(word in text for word in DECLARED)
    if kind is DocumentKind.OPENDOCUMENT:
        return "opendocument" in text or _MANIFEST in names
    return True
