"""Uploads: stores a stream of any name as a file with a safe name, and adds it to the ledger."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import re
import shutil
import sqlite3
import tempfile
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from rag_core.errors import StorageFull, UploadRefused
from rag_core.extract.sniff import sniff
from rag_core.ledger import Ledger, document_id
from rag_core.models import Document

_MIB = 1024 * 1024
_BLOCK = _MIB
_FULL = (
    "the documents' disk is full; delete documents, or ask the operator for a larger disk."
    " Nothing of this file was stored"
)
_MAX_NAME_BYTES = 180
_PART = ".part"
# Control, format, surrogate and unassigned characters; they hide or reorder parts of a name.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


class Readable(Protocol):
    """Anything with a read(size) that returns bytes."""

    def read(self, size: int, /) -> bytes:
        """Return up to `size` bytes; empty at the end."""
        ...


def safe_name(name: str) -> str:
    """Return the name's last path component without characters unsafe in files, terminals or pages."""
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
    """Accepts uploaded files. `raw_dir` is INGESTION_INPUT_DIR; uploads are kept below it in `uploads/`.

    `reserve` bytes of the disk are left for the ledger and the index, which are on it as well.
    """

    def __init__(self, raw_dir: Path, ledger: Ledger, max_bytes: int, *, reserve: int = 0) -> None:
        self._dir = raw_dir / "uploads"
        self._ledger = ledger
        self._max_bytes = max_bytes
        self._reserve = reserve

    def accept(self, filename: str, stream: Readable, *, replace: bool = True) -> Document:
        """Store and queue a file; raises UploadRefused, keeping nothing. See Incoming.store for `replace`."""
        incoming = self.begin(filename)
        try:
            while block := stream.read(_BLOCK):
                incoming.write(block)
            return incoming.store(replace=replace)
        finally:
            incoming.discard()

    def begin(self, filename: str, *, expected: int = 0) -> Incoming:
        """Begin an upload of about `expected` bytes; raises StorageFull if they would not fit.

        The caller must call `discard` at the end, whether the upload was stored or not.
        """
        with _reporting_a_full_disk():
            self._dir.mkdir(parents=True, exist_ok=True)
            self.sweep()
            self._require_room(expected)
            return Incoming(self, safe_name(filename))

    def sweep(self) -> None:
        """Remove part files left by a killed process: those that no process has locked."""
        for part in self._dir.glob(f"*{_PART}"):
            try:
                with part.open("rb") as file:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    part.unlink()
            except (FileNotFoundError, BlockingIOError):
                continue

    def _require_room(self, size: int = 0) -> None:
        free = shutil.disk_usage(self._dir).free
        if free - size < self._reserve or not free:
            left, kept = free // _MIB, self._reserve // _MIB
            raise StorageFull(
                f"the documents' disk has {left:,} MiB left, and {kept:,} MiB are kept"
                " for the index and the ledger; delete documents, or ask the operator for a larger disk."
                " Nothing of this file was stored"
            )


class Incoming:
    """One upload in progress. Its part file is locked while being written; `discard` removes it."""

    def __init__(self, uploads: Uploads, name: str) -> None:
        self._uploads = uploads
        self._name = name
        self._digest = hashlib.sha256()
        self._size = 0
        self._file, self._part = _locked_part(uploads._dir)

    def write(self, block: bytes) -> None:
        """Append a block; raises UploadRefused when the file gets too large, and StorageFull."""
        self._size += len(block)
        if self._size > self._uploads._max_bytes:
            limit = self._uploads._max_bytes // _MIB
            raise UploadRefused(
                f"{self._name!r} is larger than the {limit} MiB one upload may have; split it, or ask the"
                " operator to raise ragdock_upload_max_mib",
                code="upload_too_large",
                http_status=413,
            )
        with _reporting_a_full_disk():
            self._uploads._require_room(len(block))
            self._digest.update(block)
            self._file.write(block)

    def store(self, *, replace: bool = True) -> Document:
        """Keep the file and queue it.

        With `replace` it replaces what was uploaded under this name before, once it is ready. Not to be used
        for the files of a folder: files in different folders may have the same name.
        """
        moved: Path | None = None
        sha256 = self._digest.hexdigest()

        def move(known: Path | None) -> Path:
            nonlocal moved
            if known is not None and known.is_file():
                return known
            target = self._uploads._dir / document_id(sha256) / self._name
            target.parent.mkdir(exist_ok=True)
            moved = target
            return self._part.replace(target)

        with _reporting_a_full_disk():
            self._file.flush()
            # An accepted document must survive a power failure.
            os.fsync(self._file.fileno())
            kind = sniff(self._part, self._name)
            try:
                return self._uploads._ledger.enqueue(
                    sha256=sha256, kind=kind, size=self._size, name=self._name, store=move, replace=replace
                )
            except BaseException:
                if moved is not None:
                    moved.unlink(missing_ok=True)
                    with suppress(OSError):
                        moved.parent.rmdir()
                raise

    def discard(self) -> None:
        """Remove the part file, unless it was stored."""
        self._part.unlink(missing_ok=True)
        with suppress(OSError):
            self._file.close()


def _locked_part(folder: Path) -> tuple[BinaryIO, Path]:
    while True:
        handle, path = tempfile.mkstemp(dir=folder, suffix=_PART)
        file = os.fdopen(handle, "wb")
        fcntl.flock(file, fcntl.LOCK_EX)
        # Another process's sweep may have removed it before it was locked.
        if os.fstat(handle).st_nlink:
            return file, Path(path)
        file.close()


@contextmanager
def _reporting_a_full_disk() -> Iterator[None]:
    """Raise StorageFull for a full disk wherever it occurs: in the file, its folder or the ledger."""
    try:
        yield
    except OSError as error:
        if error.errno not in {errno.ENOSPC, errno.EDQUOT}:
            raise
        raise StorageFull(_FULL) from error
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_FULL:
            raise
        raise StorageFull(_FULL) from error
