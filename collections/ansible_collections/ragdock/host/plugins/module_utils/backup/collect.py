"""What a backup collects besides OpenSearch's snapshot: copies, files, versions."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils import ledger
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import host_client
from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    BackupError,
    BackupPaths,
    Memory,
    Settings,
)
from ansible_collections.ragdock.host.plugins.module_utils.backup.documents import documents, release
from ansible_collections.ragdock.host.plugins.module_utils.locks import locked
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Release, Store

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

Json = dict[str, Any]
SECURITY = ("roles.yml", "roles_mapping.yml")
TIMEOUT_SECONDS = 10.0
MIB = 1 << 20
# Room for locks, indices and what pruning rewrites, on a disk that only the repository uses.
OWN_MIB = 64
Free = Callable[[Path], int]


def state_of(path: Path) -> list[int]:
    """Attributes that change with a file's content; not its ctime, which a hard link changes too."""
    found = path.stat()
    return [found.st_size, found.st_mtime_ns, found.st_ino]


def fresh_work(paths: BackupPaths) -> None:
    """Create an empty work directory; remove what a killed run left."""
    clear_work(paths)
    paths.work.mkdir(mode=0o700)


def clear_work(paths: BackupPaths) -> None:
    """Remove everything that a backup used, except the backup itself."""
    shutil.rmtree(paths.work, ignore_errors=True)
    release(paths)


def databases(paths: BackupPaths) -> list[Path]:
    """The ledger, and other databases in its directory."""
    found = sorted(paths.ledger.glob("*.sqlite3"))
    for path in found:
        if path.is_symlink():
            raise linked(path)
    return found


def copy_databases(paths: BackupPaths) -> None:
    """Copy every database, each at one point in time."""
    for path in databases(paths):
        ledger.copy(path, paths.work / path.name)


def ledger_version(paths: BackupPaths) -> int:
    """The version of the copied ledger's schema: a restore refuses one that its software does not know."""
    path = paths.work / manifests.LEDGER
    return ledger.version(path) if path.is_file() else 0


@contextlib.contextmanager
def _unwritten(path: Path) -> Iterator[None]:
    """While this lock is held, the landing page does not write or rotate."""
    refusal = BackupError(
        f"{path} has been locked for {TIMEOUT_SECONDS:.0f} s: the landing page hangs in the "
        "middle of a write. `docker compose -p ragdock restart landing` on the host ends it."
    )
    with locked(path, TIMEOUT_SECONDS, refusal, pause=0.05):
        yield


def copy_analytics(paths: BackupPaths) -> None:
    """Copy all CSV files while the writer cannot rotate them."""
    target = paths.work / "analytics"
    target.mkdir(mode=0o700)
    with contextlib.ExitStack() as locks:
        for lock in sorted(paths.analytics.glob(".*.lock")):
            locks.enter_context(_unwritten(lock))
        for path in sorted(paths.analytics.glob("*.csv")):
            copy_file(path, target / path.name)


def linked(path: Path) -> BackupError:
    """The error for a symbolic link in a container's directory, where root would read the target for it."""
    return BackupError(
        f"{path} is a symbolic link to {path.readlink()}. No service makes links there: someone took "
        "the container over, or made it by hand. Nothing was read of it; find out, then remove it."
    )


def copy_file(source: Path, target: Path) -> None:
    """Copy a file with its times; never follow a link."""
    try:
        descriptor = os.open(source, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise linked(source) from error
        raise
    with os.fdopen(descriptor, "rb") as here, target.open("wb") as there:
        shutil.copyfileobj(here, there)
        found = os.fstat(here.fileno())
    target.chmod(found.st_mode & 0o777)
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def copy_release(paths: BackupPaths) -> Release:
    """Copy the current release with its record, and the rights of OpenSearch's users."""
    release = Store(paths.root).current()
    if release is None:
        raise BackupError("No release serves on this host: there is nothing to back up. Run site.yml first.")
    shutil.copytree(release.path, paths.work / "release", ignore=shutil.ignore_patterns("logs"))
    security = paths.work / "security"
    security.mkdir(mode=0o700)
    for name in SECURITY:
        shutil.copy2(paths.root / "config" / "opensearch" / "security" / name, security / name)
    return release


def secret_versions(settings: Settings) -> dict[str, int]:
    """Name -> version of the deployment's secrets; their values are not read."""
    path = f"/ragdock/{settings.name}/"
    try:
        pages = (
            host_client("ssm", settings.region, settings.endpoint_url)
            .get_paginator("get_parameters_by_path")
            .paginate(Path=path, WithDecryption=False)
        )
        found = [one for page in pages for one in page["Parameters"] if one["Type"] == "SecureString"]
    except (BotoCoreError, ClientError) as error:
        raise BackupError(
            f"The versions of the secrets under {path} could not be read by the host's role: {error}. "
            "playbooks/provision.yml gives the role its rights."
        ) from error
    return {one["Name"].removeprefix(path): one["Version"] for one in found}


def write_secrets(paths: BackupPaths, versions: Mapping[str, int]) -> None:
    """Record each secret's version: enough to see whether it was rotated since, useless to a thief."""
    text = json.dumps(versions, indent=1, sort_keys=True) + "\n"
    (paths.work / "secrets.json").write_text(text, encoding="utf-8")


class Files:
    """Entries of the manifest, and a check that the files did not change since they were read."""

    def __init__(self, paths: BackupPaths) -> None:
        self._paths = paths
        self._memory = Memory(paths, "files")
        self.entries: list[Json] = []
        # Path in the backup -> the file that was read (for a document, its hard link), and its state.
        self.held: dict[str, tuple[Path, list[int]]] = {}
        self.read_bytes = 0

    def collect(self) -> None:
        """Hash the copies, and the documents that changed since the last backup."""
        known = self._memory.values
        kept: Json = {}
        for held in documents(self._paths.held):
            path = self._paths.raw / held.relative_to(self._paths.held)
            state = state_of(held)
            *before, digest = known.get(str(path), [""])
            if before != state:
                digest = self._hash(held)
            kept[str(path)] = [*state, digest]
            self._add(path, held, state, digest)
        for path in manifests.files_below(self._paths.work):
            self._add(path, path, state_of(path), self._hash(path))
        self._memory.values = {}
        self._memory.save(**kept)

    def _hash(self, path: Path) -> str:
        self.read_bytes += path.stat().st_size
        digest: str = manifests.hash_file(path)
        return digest

    def _add(self, path: Path, held: Path, state: list[int], digest: str) -> None:
        self.entries.append({"path": str(path), "size": state[0], "sha256": digest})
        self.held[str(path)] = (held, state)

    def changed(self) -> list[str]:
        """Files whose content no longer matches the manifest."""
        wrong = []
        for entry in self.entries:
            path, state = self.held[entry["path"]]
            try:
                same = state_of(path) == state or (manifests.hash_file(path) == entry["sha256"])
            except FileNotFoundError:
                same = False
            if not same:
                wrong.append(entry["path"])
        return wrong


def room_needed(paths: BackupPaths, new_segments: int) -> tuple[int, int]:
    """Bytes that a backup may write: copies on the data volume, and what is new in the repository."""

    def size(paths: list[Path]) -> int:
        total = 0
        for path in paths:
            # Deleted since it was listed: it needs no room.
            with contextlib.suppress(FileNotFoundError):
                total += path.stat().st_size
        return total

    copies = new_segments + size(databases(paths)) * 2 + size(list(paths.analytics.glob("*.csv")))
    known = Memory(paths, "files").values
    unknown = size([path for path in documents(paths.raw) if str(path) not in known])
    return copies, copies + unknown


def folder_of(location: str) -> Path | None:
    """The directory of a repository on a disk of this host; None for one that is elsewhere or missing."""
    path = Path(location)
    found = (one for one in (path, path.parent) if location.startswith("/") and one.is_dir())
    return next(found, None)


def enough_room(paths: BackupPaths, needed: int, reserve_mib: int, free: Free) -> str:
    """Empty when a backup fits on the data volume; else why not."""
    left = free(paths.root)
    if left - needed >= reserve_mib * MIB:
        return ""
    return (
        f"Only {left // MIB} MiB of the data volume is free; this backup may write {needed // MIB} MiB and "
        f"must leave {reserve_mib} MiB, or OpenSearch would stop writing. Nothing was changed. Raise "
        "ragdock_data_volume_gib and run site.yml, or delete documents that are not needed."
    )


def enough_there(folder: Path, needed: int, free: Free) -> str:
    """Empty when what is new fits on the other disk that holds the repository; else why not."""
    left = free(folder)
    if left - needed >= OWN_MIB * MIB:
        return ""
    return (
        f"Only {left // MIB} MiB of the disk of {folder} is free; this backup may store {needed // MIB} MiB "
        f"there and restic needs {OWN_MIB} MiB for itself. Nothing was changed. Make room on that disk, or "
        "keep fewer backups (ragdock_backup_keep_*)."
    )
