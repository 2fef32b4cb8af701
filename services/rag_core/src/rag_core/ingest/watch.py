"""Watches files put into the input directory by hand: takes complete ones, and notices removed ones."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from rag_core.errors import UploadRefused
from rag_core.extract.sniff import sniff
from rag_core.ingest.uploads import safe_name
from rag_core.ledger import Ledger, SeenFile
from rag_core.models import DocumentKind, Frozen

_BLOCK = 1024 * 1024
_UPLOADS = "uploads"


class Scan(Frozen):
    """The result of one scan of the directory."""

    taken: int = 0
    refused: int = 0
    gone: int = 0
    growing: int = 0
    suspicious: bool = False  # all known files are gone at once: probably an unmounted disk


class Watcher:
    """Scans the directory repeatedly; takes a file when two scans agree on its size and time."""

    def __init__(self, directory: Path, ledger: Ledger, max_bytes: int) -> None:
        self._directory = directory
        self._ledger = ledger
        self._max_bytes = max_bytes
        self._last: dict[Path, tuple[int, int]] = {}

    def scan(self) -> Scan:
        """Scan once."""
        now = dict(self._files())
        taken = refused = growing = 0
        watched = self._ledger.watched()
        for path, stamp in now.items():
            known = watched.get(path)
            if known is not None and (known.size, known.mtime_ns) == stamp:
                continue
            if self._last.get(path) != stamp:
                growing += 1
                continue
            try:
                good = self._take(path, stamp)
            except FileNotFoundError:
                continue
            taken += good
            refused += not good
        self._last = now
        missing = set(watched) - set(now)
        if len(missing) > 1 and missing == set(watched):
            return Scan(taken=taken, refused=refused, growing=growing, suspicious=True)
        for path in missing:
            self._ledger.file_gone(path)
        return Scan(taken=taken, refused=refused, gone=len(missing), growing=growing)

    def _files(self) -> Iterator[tuple[Path, tuple[int, int]]]:
        if not self._directory.is_dir():
            return
        for path in sorted(self._directory.rglob("*")):
            inside = path.relative_to(self._directory)
            hidden = any(part.startswith(".") for part in inside.parts)
            # A symbolic link could lead out of the directory, so links are skipped.
            if hidden or inside.parts[0] == _UPLOADS or path.is_symlink() or not path.is_file():
                continue
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            yield path, (status.st_size, status.st_mtime_ns)

    def _take(self, path: Path, stamp: tuple[int, int]) -> bool:
        name = safe_name(path.name)
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        kind, refused = DocumentKind.UNKNOWN, None
        try:
            if stamp[0] > self._max_bytes:
                raise UploadRefused(
                    f"the file is over the {self._max_bytes // 2**20} MiB allowed; split it, or ask the"
                    " operator to raise ragdock_upload_max_mib",
                    code="upload_too_large",
                )
            kind = sniff(path, name)
        except UploadRefused as error:
            refused = (error.code, error.message)
        document = self._ledger.enqueue(
            sha256=digest.hexdigest(), kind=kind, size=stamp[0], name=name, source=path, refused=refused
        )
        self._ledger.remember(path, SeenFile(size=stamp[0], mtime_ns=stamp[1], document_id=document.id))
        return refused is None
