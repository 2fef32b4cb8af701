"""What the steps of a backup share: settings, paths, memory between nights, and messages."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.backup.manifests import ManifestError
from ansible_collections.ragdock.host.plugins.module_utils.backup.snapshots import Search
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError
from ansible_collections.ragdock.host.plugins.module_utils.https import UnreachableError
from ansible_collections.ragdock.host.plugins.module_utils.ledger import LedgerError
from ansible_collections.ragdock.host.plugins.module_utils.locks import locked
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository, ResticError

Json = dict[str, Any]
USER = "ragdock_backup"
SCOPE_SECONDS = 30.0
OF_INDEX = "index-"
# Every failure that has a message of ours.
KNOWN = (
    EngineError, LedgerError, ManifestError, OSError, ResticError, SearchError, UnreachableError,
    sqlite3.Error,
)  # fmt: skip


class BackupError(Exception):
    """A backup cannot be made or does not count. The text says what to do."""


class ChangedError(BackupError):
    """The source changed while it was read. Another attempt may succeed."""


FAILURES = (BackupError, *KNOWN)


@dataclass(frozen=True)
class Settings:
    """What the role passes to each of its modules."""

    name: str
    root: Path
    project: str
    pattern: str
    location: str
    region: str
    endpoint_url: str
    upload_kib: int
    processors: int
    niceness: int
    stall_seconds: float
    snapshot_seconds: float
    hold_seconds: float
    reserve_mib: int
    snapshots_kept: int
    keep_daily: int
    keep_weekly: int
    keep_monthly: int
    read_all_days: int
    lock_days: int
    golden: tuple[str, ...]
    golden_count: int

    @staticmethod
    def of(given: Mapping[str, Any]) -> Settings:
        """From a module's parameter."""
        kinds: dict[str, Callable[[Any], Any]] = {"str": str, "int": int, "float": float, "Path": Path}
        cast = {one.name: kinds.get(str(one.type), tuple) for one in fields(Settings)}
        return Settings(**{name: make(given[name]) for name, make in cast.items()})

    def search(self, run: Any, secrets: Mapping[str, str]) -> Search:
        """The live OpenSearch, as the user of backups."""
        password, ca = secrets["opensearch_backup_password"], secrets["opensearch_ca_cert"]
        return Search.live(run, self.project, ca, USER, password)

    def repository(self, secrets: Mapping[str, str]) -> Repository:
        """Where backups go."""
        return Repository(
            self.location,
            password=secrets["restic_password"],
            region=self.region,
            cache=BackupPaths(self.root).cache,
            processors=self.processors,
            upload_kib=self.upload_kib,
            stall_seconds=self.stall_seconds,
        )


@dataclass(frozen=True)
class BackupPaths:
    """Paths of the host that a backup uses."""

    root: Path

    @property
    def base(self) -> Path:
        """All that backups need; for root only."""
        return self.root / "backup"

    @property
    def work(self) -> Path:
        """Files made for the backup, besides the source itself."""
        return self.base / "work"

    @property
    def held(self) -> Path:
        """Hard links to the documents while a backup is made, on the same file system."""
        return self.base / "documents"

    @property
    def cache(self) -> Path:
        """restic's cache; it may be lost."""
        return self.base / "cache"

    @property
    def snapshots(self) -> Path:
        """OpenSearch's repository."""
        return self.root / "snapshots"

    @property
    def raw(self) -> Path:
        """Documents."""
        return self.root / "data" / "raw"

    @property
    def ledger(self) -> Path:
        """Databases."""
        return self.root / "data" / "ledger"

    @property
    def analytics(self) -> Path:
        """Analytics events."""
        return self.root / "data" / "analytics"

    def make(self) -> None:
        """Make the directories, for root only."""
        for path in (self.base, self.cache):
            path.mkdir(mode=0o700, exist_ok=True)

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """One step of one backup at a time. The kernel frees the lock when the process ends."""
        self.make()
        refusal = BackupError(
            "Another backup is running on this host; `fuser /opt/ragdock/backup/.lock` names its process. "
            "It continues, and this one changed nothing. Wait until it ends, then start again."
        )
        with locked(self.base / ".lock", 0, refusal):
            yield


class Memory:
    """What one night stores for the next. It is rebuilt when it is lost or unreadable."""

    def __init__(self, paths: BackupPaths, name: str = "memory") -> None:
        self.path = paths.base / f"{name}.json"
        self.values: Json = {}
        with contextlib.suppress(OSError, ValueError):
            self.values = dict(json.loads(self.path.read_text(encoding="utf-8")))

    @staticmethod
    def of_index(paths: BackupPaths, identity: str) -> Memory:
        """What earlier backups read of an index, by the id that OpenSearch gave it."""
        return Memory(paths, f"{OF_INDEX}{identity}")

    @staticmethod
    def forget_indices(paths: BackupPaths, but: Iterable[str]) -> None:
        """Forget all other indices: one that was rebuilt or removed never returns with the same id."""
        kept = {f"{OF_INDEX}{identity}.json" for identity in but}
        for path in paths.base.glob(f"{OF_INDEX}*.json"):
            if path.name not in kept:
                path.unlink()

    def save(self, **values: Any) -> None:
        """Update some values; the file is replaced by rename."""
        self.values |= values
        beside = self.path.with_suffix(".new")
        with beside.open("w", encoding="utf-8") as out:
            os.fchmod(out.fileno(), 0o600)
            json.dump(self.values, out)
            out.flush()
            os.fsync(out.fileno())
        beside.replace(self.path)


def gentle(settings: Settings) -> None:
    """Give this process and its children a lower priority than the services that answer questions.

    Niceness counts only among the processes of one control group, and each container has its own. So
    systemd puts this process into one too, with the smallest share of the processors.
    Raises BackupError when systemd refuses.
    """
    os.nice(settings.niceness)
    if not Path("/run/systemd/system").is_dir():
        return
    words = scope_of(os.getpid())
    try:
        subprocess.run(words, check=True, capture_output=True, text=True, timeout=SCOPE_SECONDS)
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "stderr", None) or error
        raise BackupError(
            f"systemd did not start a scope for the backup, so it could slow down answers: {reason}. "
            "Nothing was changed. Check `systemctl is-system-running`."
        ) from error


def scope_of(pid: int) -> list[str]:
    """The call that moves a running process into its own scope (org.freedesktop.systemd1(5))."""
    manager = ["org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"]
    properties = ["3", "PIDs", "au", "1", str(pid), "CPUWeight", "t", "1", "IOWeight", "t", "1"]
    unit = ["StartTransientUnit", "ssa(sv)a(sa(sv))", f"ragdock-backup-{pid}.scope", "fail"]
    return ["busctl", "--quiet", "call", *manager, *unit, *properties, "0"]


# --- messages ------------------------------------------------------------------------------------

HELP = {
    "password": (
        "The password in /ragdock/{name}/restic_password (SSM) does not open it: one of the two was changed. "
        "Put the former value back: aws ssm get-parameter-history --with-decryption shows it."
    ),
    "bucket": (
        "The bucket is gone, and the backups in it with it. playbooks/provision.yml makes it again; "
        "then begin a new repository: playbooks/backup.yml -e backup_new_repository=true."
    ),
    "denied": (
        "The host's role may not use it, or the host has no role: playbooks/provision.yml gives both back "
        "(`playbooks/plan.yml` shows what differs)."
    ),
    "space": "A disk is full: `df -h` on the host; raise ragdock_data_volume_gib and run site.yml.",
    "unreachable": "The network between the host and it is broken: can the host reach it (`curl -I` there)?",
    "stalled": "The network between the host and it is broken, or too slow for backup_stall_seconds.",
    "locked": "Another restic works on it. Wait for it; the lock of a dead one is removed at the next start.",
    "incomplete": "Some files could not be read; the kernel's log may say why (`dmesg`).",
    "absent": (
        "There was one before, so its files were deleted. Recover them (the bucket keeps old versions for "
        "30 days: playbooks/undelete.yml -e moment=<a time before that>), or start a new one: "
        "playbooks/backup.yml -e backup_new_repository=true."
    ),
}


def advice(error: Exception, settings: Settings) -> str:
    """Explain to an operator what went wrong and what to do."""
    text = str(error)
    if isinstance(error, ResticError):
        what = f"The backup repository {settings.location} cannot be used: {text}."
        return f"{what} {HELP.get(error.kind, '').format(name=settings.name)}".strip()
    if isinstance(error, SearchError | UnreachableError):
        where = "playbooks/status.yml; `docker compose -p ragdock logs opensearch` on the host"
        return f"OpenSearch failed: {text}. Is it healthy? {where}."
    if isinstance(error, sqlite3.Error):
        return f"A database under /opt/ragdock/data/ledger could not be copied: {text}."
    if isinstance(error, ManifestError):
        return f"The backup does not count: {text}."
    return text


def what_stands(memory: Memory, now: float | None = None) -> str:
    """Describe what an operator still has after a failure."""
    last = memory.values.get("last")
    if not last:
        return "There is no whole backup yet. The service answers as before."
    hours = ((now or time.time()) - float(last["time"])) / 3600
    return f"The service answers as before; the newest whole backup is {last['id']}, {hours:.0f} hours old."
