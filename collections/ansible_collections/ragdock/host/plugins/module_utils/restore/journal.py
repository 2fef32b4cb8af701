"""The journal of a restore, on disk before each step: the next run completes or undoes it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils import locks
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import write_atomically
from ansible_collections.ragdock.host.plugins.module_utils.restore.file_moves import Move, RestorePaths
from ansible_collections.ragdock.host.plugins.module_utils.restore.ledger import LedgerChanges

LOCK_SECONDS = 60.0
# Nothing live was touched yet; the live state is being replaced; it was replaced and is in use.
PREPARING, SWITCHING, SWITCHED = "preparing", "switching", "switched"


@dataclass
class Index:
    """One index of the backup and its names on this host."""

    name: str
    alias: str
    new: str
    old: list[str]


@dataclass
class Entry:
    """One restore."""

    moment: str
    backup: str
    scope: str
    began: float
    phase: str = PREPARING
    file: str = ""
    indices: list[Index] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    stopped: list[str] = field(default_factory=list)
    ledger: bool = False


class RestoreWorkspace:
    """Directories of a restore, and its journal."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = root / "restore"
        self.journal = self.place / "journal.json"
        self.staged = self.place / "staged"
        # OpenSearch reads only below its own mount.
        self.repository = root / "snapshots" / "restored"

    def open(self) -> None:
        """Make the directory, for root only: it contains documents."""
        self.place.mkdir(mode=0o700, exist_ok=True)

    @property
    def ledger(self) -> Path:
        """The live ledger."""
        return self.root / "data" / "ledger" / "ledger.sqlite3"

    def ledger_changes(self, engine: Engine) -> LedgerChanges:
        """The tool that changes the ledger's tables."""
        return LedgerChanges(engine, self.ledger, self.place / "ledger")

    def paths(self, entry: Entry) -> RestorePaths:
        """Where the files of a restore come from and go to."""
        return RestorePaths(self.root / "data", self.staged / "data", self.aside(entry.moment) / "data")

    def aside(self, moment: str) -> Path:
        """Where a restore keeps what it replaced."""
        return self.place / f"before-{moment}"

    def read(self) -> Entry | None:
        """The restore that was started and not finished."""
        if not self.journal.is_file():
            return None
        raw: dict[str, Any] = json.loads(self.journal.read_text(encoding="utf-8"))
        raw["indices"] = [Index(**one) for one in raw["indices"]]
        raw["moves"] = [Move(**one) for one in raw["moves"]]
        return Entry(**raw)

    def write(self, entry: Entry) -> None:
        """Write the journal and sync it to disk, including the directory's entry."""
        write_atomically(self.journal, json.dumps(asdict(entry), indent=1) + "\n", 0o600)
        handle = os.open(self.place, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def clear(self) -> None:
        """Remove what was fetched, then the journal."""
        for path in (self.staged, self.repository, self.place / "ledger"):
            if path.exists():
                shutil.rmtree(path)
        self.journal.unlink(missing_ok=True)

    def kept(self) -> Iterator[Path]:
        """Safety copies, newest first."""
        yield from sorted(self.place.glob("before-*"), reverse=True)


@contextlib.contextmanager
def locked(root: Path) -> Iterator[None]:
    """One step at a time: a run whose operator was disconnected may still be running."""
    (root / "state").mkdir(mode=0o755, parents=True, exist_ok=True)
    path = root / "state" / "restore.lock"
    refusal = OSError(
        f"Another restore has been running on this host for {LOCK_SECONDS:.0f} s "
        f"(`fuser {path}` names its process). Wait until it ends, then run this again."
    )
    with locks.locked(path, LOCK_SECONDS, refusal):
        yield
