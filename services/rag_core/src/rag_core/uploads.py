"""Uploads: a stream under any name becomes a file under a safe name, and an entry of the ledger."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
import time
import unicodedata
from pathlib import Path
from typing import BinaryIO, Protocol

from rag_core.errors import UploadRefused
from rag_core.ledger import Ledger, document_id
from rag_core.models import Document
from rag_core.sniff import sniff

_BLOCK = 1024 * 1024
_MAX_NAME_BYTES = 180
_STALE_SECONDS = 24 * 3600.0
_PART = ".part"
# Control, format, surrogate and unassigned characters; they hide or reorder what a name shows.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


class Readable(Protocol):
    """Anything with a read(size) that gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes; none at the end."""
        ...


def safe_name(name: str) -> str:
    """The last part of the name, without what a file system, a terminal or a page could trip over."""
    name = unicodedata.normalize("NFC", name.encode("utf-8", "replace").decode("utf-8"))
    name = re.split(r"[/\\]", name)[-1]
    name = "".join(" " if unicodedata.category(c) in _HIDDEN or c in '<>:"|?*' else c for c in name)
    name = re.sub(r"\s+", " ", name).strip(" .")
    stem, dot, ending = name.rpartition(".")
    if not dot or len(ending) > 10:
        stem, ending = name, ""
    suffix = f".{ending}" if ending else ""
    room = _MAX_NAME_BYTES - len(suffix.encode())
    stem = stem.encode()[:room].decode("utf-8", "ignore").strip(" .")
    return f"{stem}{suffix}" if stem else f"document{suffix}"


class Uploads:
    """Takes files from people. `raw_dir` is INGESTION_INPUT_DIR; uploads stay below it in `uploads/`."""

    def __init__(self, raw_dir: Path, ledger: Ledger, max_bytes: int) -> None:
        self._dir = raw_dir / "uploads"
        self._ledger = ledger
        self._max_bytes = max_bytes

    def accept(self, filename: str, stream: Readable, *, replace: bool = True) -> Document:
        """Store and queue; raises UploadRefused with nothing kept.

        With `replace` it takes the place of what was uploaded under this name, once it is ready. Not for
        files of a folder: the names of files in different folders repeat.
        """
        name = safe_name(filename)
        self._dir.mkdir(parents=True, exist_ok=True)
        self._sweep()
        handle, part = tempfile.mkstemp(dir=self._dir, suffix=_PART)
        temporary = Path(part)
        try:
            with os.fdopen(handle, "wb") as file:
                size, sha256 = self._copy(name, stream, file)
            kind = sniff(temporary, name)

            def store(known: Path | None) -> Path:
                if known is not None and known.is_file():
                    temporary.unlink()
                    return known
                target = self._dir / document_id(sha256) / name
                target.parent.mkdir(exist_ok=True)
                return temporary.replace(target)

            return self._ledger.enqueue(
                sha256=sha256, kind=kind, size=size, name=name, store=store, replace=replace
            )
        finally:
            temporary.unlink(missing_ok=True)

    def _copy(self, name: str, stream: Readable, file: BinaryIO) -> tuple[int, str]:
        digest = hashlib.sha256()
        size = 0
        while block := stream.read(_BLOCK):
            size += len(block)
            if size > self._max_bytes:
                limit = self._max_bytes // (1024 * 1024)
                raise UploadRefused(
                    f"{name!r} is larger than the {limit} MiB one upload may have; split it, or ask the"
                    " operator to raise ragdock_upload_max_mib",
                    code="upload_too_large",
                    http_status=413,
                )
            digest.update(block)
            file.write(block)
        return size, digest.hexdigest()

    def _sweep(self) -> None:
        """Remove what a killed process left half-written."""
        for part in self._dir.glob(f"*{_PART}"):
            try:
                if time.time() - part.stat().st_mtime > _STALE_SECONDS:
                    part.unlink()
            except FileNotFoundError:
                continue
