"""Office files saved as "Strict Open XML": the usual content, in namespaces that the libraries lack.

The names: ISO/IEC 29500-4:2016, annex A ("Transitional" against "Strict" namespaces).
"""

from __future__ import annotations

import io
import re
import zipfile
from pathlib import Path
from typing import BinaryIO

_STRICT = b"http://purl.oclc.org/ooxml/"
_NAMES = re.compile(rb"http://purl\.oclc\.org/ooxml/(\w+)")
_USUAL = rb"http://schemas.openxmlformats.org/\1/2006"
_RELATIONS = "_rels/.rels"


def opened(path: Path) -> BinaryIO:
    """Open the Office file, or an in-memory copy with the usual namespaces if it uses the strict ones."""
    with zipfile.ZipFile(path) as before:
        if _RELATIONS not in before.namelist() or _STRICT not in before.read(_RELATIONS):
            return path.open("rb")
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as after:
            for entry in before.infolist():
                content = before.read(entry)
                if entry.filename.endswith((".xml", ".rels")):
                    content = _NAMES.sub(_USUAL, content)
                after.writestr(entry.filename, content)
    made.seek(0)
    return made
