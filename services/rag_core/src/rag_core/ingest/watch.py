"""Watches files put into the input directory by hand: takes complete ones, and notices removed ones."""

from __future__ import annotations

import hashlib
import os
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
    unread: frozenset[Path] = frozenset()  # files and directories that this process may not read
    suspicious: bool = False  # all known files are gone at once: probably an unmounted disk


class _File(Frozen):
    """A file in the directory. What is stored of it is text, so its path is `shown` if it is not UTF-8."""

    path: Path
    shown: Path
    stamp: tuple[int, int]  # size, time of change


class Watcher:
    """Scans the directory repeatedly; takes a file when two scans agree on its size and time."""

    def __init__(self, directory: Path, ledger: Ledger, max_bytes: int) -> None:
        self._directory = directory
        self._ledger = ledger
        self._max_bytes = max_bytes
        self._last: dict[Path, tuple[int, int]] = {}

    def scan(self) -> Scan:
        """Scan once."""
        unlisted: set[Path] = set()
        unreadable: set[Path] = set()
        files = {one.shown: one for one in self._files(unlisted)}
        now = {shown: one.stamp for shown, one in files.items()}
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
                good = self._take(files[path])
            except FileNotFoundError:
                continue
            except PermissionError:
                unreadable.add(path)
                continue
            taken += good
            refused += not good
        self._last = now
        seen = {"taken": taken, "refused": refused, "growing": growing}
        unread = frozenset(unreadable | unlisted)
        # What is in a directory that cannot be listed is not gone.
        missing = {path for path in set(watched) - set(now) if unlisted.isdisjoint(path.parents)}
        if len(missing) > 1 and missing == set(watched):
            return Scan(**seen, unread=unread, suspicious=True)
        for path in missing:
            self._ledger.file_gone(path)
        return Scan(**seen, unread=unread, gone=len(missing))

    def _files(self, unlisted: set[Path]) -> Iterator[_File]:
        """Yield the files; directories that cannot be listed are added to UNLISTED."""
        if not self._directory.is_dir():
            return

        def note(error: OSError) -> None:
            if not isinstance(error, FileNotFoundError):
                unlisted.add(Path(error.filename))

        found = (
            Path(folder) / name
            for folder, _, names in os.walk(self._directory, onerror=note)
            for name in names
        )
        for path in sorted(found):
            inside = path.relative_to(self._directory)
            hidden = any(part.startswith(".") for part in inside.parts)
            # A symbolic link could lead out of the directory, so links are skipped.
            if hidden or inside.parts[0] == _UPLOADS or path.is_symlink() or not path.is_file():
                continue
            try:
                status = path.stat()
            except FileNotFoundError:
                continue
            shown = Path(os.fsencode(path).decode("utf-8", "replace"))
            yield _File(path=path, shown=shown, stamp=(status.st_size, status.st_mtime_ns))

    def _take(self, one: _File) -> bool:
        path, stamp = one.path, one.stamp
        name = safe_name(one.shown.name)
        digest = hashlib.sha256()
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        kind, refused = DocumentKind.UNKNOWN, None
        try:
            if path != one.shown:
                raise UploadRefused(
                    "the file's name is not UTF-8, as names of other systems may be; rename it in the data"
                    " directory, or upload it",
                    code="upload_name",
                )
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
            sha256=digest.hexdigest(), kind=kind, size=stamp[0], name=name, source=one.shown, refused=refused
        )
        self._ledger.remember(one.shown, SeenFile(size=stamp[0], mtime_ns=stamp[1], document_id=document.id))
        return refused is None
