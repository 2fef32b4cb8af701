"""The content of a backup: fetches the parts of a scope, compares them with the manifest, places them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import Backup
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository

ALL, INDEX, ANALYTICS, DOCUMENTS, FILE = "all", "index", "analytics", "documents", "file"
TOPS: dict[str, tuple[str, ...]] = {
    ALL: ("raw/", "analytics/"),
    DOCUMENTS: ("raw/",),
    ANALYTICS: ("analytics/",),
    INDEX: (),
}
SCOPES = (ALL, INDEX, ANALYTICS, DOCUMENTS, FILE)
ROOT = "/opt/ragdock"
WORK = f"{ROOT}/backup/work"
SNAPSHOTS = f"{ROOT}/snapshots"
RAW = f"{ROOT}/data/raw"
LEDGER = str(manifests.LEDGER)
MIB = 1 << 20
# OpenSearch places no index on a volume with less than 3 GiB free (the low watermark of its configuration).
WATERMARK = 3 << 30
Json = dict[str, Any]


class ContentError(Exception):
    """The backup does not contain what was requested. The text says why and what to do."""


@dataclass(frozen=True)
class Content:
    """A chosen backup and its manifest."""

    backup: Backup
    manifest: Json

    @property
    def indices(self) -> dict[str, Json]:
        """Indices that serve, by name; others are safety copies of an earlier restore."""
        return {name: one for name, one in self.manifest["indices"].items() if one["alias"]}

    def of_index(self, name: str) -> Json:
        """The manifest, limited to one index."""
        golden = [one for one in self.manifest["golden"] if one.get("index", name) == name]
        return {**self.manifest, "indices": {name: self.manifest["indices"][name]}, "golden": golden}

    @property
    def documents(self) -> int:
        """Uploaded files."""
        return sum(1 for path in self.live_paths() if path.startswith("raw/"))

    def live_paths(self) -> dict[str, Json]:
        """Path below data/ -> the manifest's entry, for every file that has a place among live data."""
        return {place: one for one in self.manifest["files"] if (place := live_path(str(one["path"])))}

    def files(self, scope: str, file: str) -> dict[str, Json]:
        """The files of a scope, by their path below data/."""
        paths = self.live_paths()
        if scope == FILE:
            name = found_file(paths, file)
            return {name: paths[name]}
        return {path: entry for path, entry in paths.items() if path.startswith(TOPS[scope])}

    def size(self, scope: str, file: str, repository_bytes: int) -> int:
        """Bytes of disk that restoring takes at most; the index counts twice, as snapshot and as index."""
        files = sum(int(one["size"]) for one in self.files(scope, file).values())
        return files + (2 * repository_bytes if scope in (ALL, INDEX) else 0)


def live_path(path: str) -> str:
    """The path below data/ of a file in the backup; empty for a file that does not belong there."""
    for top, place in ((f"{ROOT}/data/", ""), (f"{WORK}/analytics/", "analytics/")):
        if path.startswith(top):
            return place + path.removeprefix(top)
    return ""


def found_file(paths: Mapping[str, Json], name: str) -> str:
    """Find one file by its path on the host, its path below data/, or its name."""
    known = name.removeprefix(f"{ROOT}/data/").removeprefix("/data/").lstrip("/")
    if known in paths:
        return known
    named = [path for path in paths if path.rsplit("/", 1)[-1] == name or path.endswith(f"/{known}")]
    if len(named) == 1:
        return named[0]
    if named:
        listed = ", ".join(f"{ROOT}/data/{path}" for path in named[:10])
        raise ContentError(f"{len(named)} files of the backup are called '{name}'. Name one: {listed}")
    raise ContentError(
        f"The backup has no file '{name}' (it has {len(paths)} files below {ROOT}/data). "
        "Name it by its path on the host or by its file name, or choose another backup: -e backup=<id>"
    )


def load(repository: Repository, backup: Backup) -> Content:
    """The manifest of a backup."""
    text = repository.read(backup.snapshot, f"{WORK}/manifest.json")
    return Content(backup, manifests.read(text))


def repository(location: str, password: str, region: str, root: Path) -> Repository:
    """The repository of the backups, with the restic cache that backups use."""
    return Repository(location, password=password, region=region, cache=root / "backup" / "cache")


def parts(scope: str, entry: str) -> list[str]:
    """Paths of the backup that a scope needs; `entry` is the one file of scope file."""
    return {
        ALL: [SNAPSHOTS, RAW, WORK],
        INDEX: [SNAPSHOTS, WORK],
        ANALYTICS: [WORK],
        DOCUMENTS: [RAW, WORK],
        FILE: [WORK, entry],
    }[scope]


def room_refusal(needed: int, free: int, where: Path) -> str:
    """Why it does not fit; empty when it does."""
    if free - needed >= WATERMARK:
        return ""
    return (
        f"Restoring needs {needed // MIB} MiB and OpenSearch needs {WATERMARK // MIB} MiB to stay free, but "
        f"{where} has {free // MIB} MiB free. Make the volume larger (ragdock_data_volume_gib, then "
        "playbooks/provision.yml and playbooks/configure.yml), or remove safety copies of earlier restores "
        "below /opt/ragdock/restore."
    )


def fetch(repository: Repository, content: Content, staged: Path, scope: str, file: str, free: int) -> None:
    """Fetch what a scope needs below a directory. Every byte is verified against its hash."""
    sizes = repository.files(content.backup.snapshot)
    snapshots = sum(size for path, size in sizes.items() if path.startswith(f"{SNAPSHOTS}/"))
    refusal = room_refusal(content.size(scope, file, snapshots), free, staged.parent)
    if refusal:
        raise ContentError(refusal)
    if staged.exists():
        shutil.rmtree(staged)
    staged.mkdir(mode=0o700, parents=True)
    files = content.files(scope, file)
    entry = str(next(iter(files.values()))["path"]) if scope == FILE else ""
    repository.restore(content.backup.snapshot, staged, parts(scope, entry))


def check(content: Content, staged: Path, scope: str, file: str) -> None:
    """Check that every fetched file matches the manifest."""
    entries = content.manifest["files"]
    if scope != ALL:
        chosen = {str(one["path"]) for one in content.files(scope, file).values()}
        chosen |= {str(one["path"]) for one in entries if str(one["path"]).startswith(f"{WORK}/")}
        entries = [one for one in entries if str(one["path"]) in chosen]
    wrong = manifests.compare_files(entries, staged)
    if wrong:
        raise ContentError(
            f"The backup does not match its manifest: {manifests.summary(wrong)}. Choose another one: "
            "playbooks/restore.yml -e list=true shows them; playbooks/backup.yml reports what is damaged."
        )


def sort_out(staged: Path, live: Path) -> None:
    """Move what was fetched to the paths of live data: staged/data/raw, staged/data/analytics."""
    data = staged / "data"
    data.mkdir(mode=0o700)
    for source, name in ((RAW, "raw"), (f"{WORK}/analytics", "analytics")):
        found = staged / source.lstrip("/")
        if not found.is_dir():
            continue
        found.rename(data / name)
        like = (live / name).stat()
        for path in (data / name, *(data / name).rglob("*")):
            os.chown(path, like.st_uid, like.st_gid, follow_symlinks=False)


def ledger_of(staged: Path) -> Path:
    """The backup's ledger."""
    return staged / WORK.lstrip("/") / LEDGER


def repository_of(staged: Path) -> Path:
    """The backup's OpenSearch repository."""
    return staged / SNAPSHOTS.lstrip("/")
