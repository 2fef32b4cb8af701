"""Office files whose parts refer to others that are not there, as some programs write them ("NULL").

What opens them with a message is no reason to refuse them: the reference goes, the rest is read.
"""

from __future__ import annotations

import io
import posixpath
import zipfile
from typing import BinaryIO

from lxml import etree

from rag_core.extract.charts import parsed

_RELATION = "{http://schemas.openxmlformats.org/package/2006/relationships}Relationship"


def completed(file: BinaryIO) -> BinaryIO:
    """The file itself, or a copy in memory without the references to parts that it lacks."""
    with zipfile.ZipFile(file) as before:
        names = {name.lower() for name in before.namelist()}
        changed = {}
        for name in before.namelist():
            if name.endswith(".rels") and (content := _kept(before.read(name), name, names)) is not None:
                changed[name] = content
        if not changed:
            file.seek(0)
            return file
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w") as after:
            for entry in before.infolist():
                after.writestr(entry.filename, changed.get(entry.filename) or before.read(entry))
    made.seek(0)
    return made


def _kept(content: bytes, name: str, names: set[str]) -> bytes | None:
    """Relations without those to missing parts; None when none is missing."""
    root = parsed(content)
    folder = posixpath.dirname(posixpath.dirname(name))
    missing = (
        [one for one in root.iter(_RELATION) if not _is_there(one, folder, names)] if root is not None else []
    )
    for one in missing:
        one.getparent().remove(one)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8") if missing else None


def _is_there(relation: etree._Element, folder: str, names: set[str]) -> bool:
    target = str(relation.get("Target") or "").partition("#")[0]
    if relation.get("TargetMode") == "External" or not target:
        return True
    path = (
        target.lstrip("/") if target.startswith("/") else posixpath.normpath(f"{folder}/{target}").lstrip("/")
    )
    return path.lower() in names
