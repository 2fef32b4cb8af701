"""Releases on the host's disk: what one contains, how it is written, and which one is live.

A release is a directory below releases/, named <UTC time>-<content hash>:
  <id>.tmp     being written; left by a run that was interrupted, of no value
  <id>         complete: compose.yaml, .env, config/, release.json
  <id>.failed  did not go live; kept with its logs until it is pruned
`current` is a symlink to the one that serves. Every step is one rename, so a
run that is killed leaves either the state before or the state after.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.locks import locked

ID = re.compile(r"^\d{8}T\d{6}-[0-9a-f]{8}\Z")
RECORD = "release.json"


class ReleaseError(Exception):
    """A release is missing or invalid. The text says what to do."""


def content_hash(files: Mapping[str, str]) -> str:
    """The identity of a release: every rendered file (compose.yaml carries the image digests)."""
    digest = hashlib.sha256()
    for path in sorted(files):
        for part in (path, files[path]):
            data = part.encode()
            digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


def release_id(content: str, now: dt.datetime) -> str:
    """A name that sorts by time and shows the content."""
    return f"{now.astimezone(dt.UTC):%Y%m%dT%H%M%S}-{content[:8]}"


def write_atomically(path: Path, text: str, mode: int = 0o644) -> None:
    """Replace a file by rename: a reader sees the old text or the new one."""
    beside = path.with_name(f".{path.name}.new")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with os.fdopen(descriptor, "w") as out:
        os.fchmod(out.fileno(), mode)
        out.write(text)
        out.flush()
        os.fsync(out.fileno())
    beside.replace(path)


def ensure_secret(path: Path, content: str, uid: int, *, check: bool) -> bool:
    """Write a secret file that nobody else can read at any time; returns whether it changed."""
    if path.is_file() and not path.is_symlink():
        now = path.stat()
        if (now.st_uid, now.st_gid, now.st_mode & 0o7777) == (
            uid,
            uid,
            0o400,
        ) and path.read_text() == content:
            return False
    if not check:
        path.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
        beside = path.with_name(f".{path.name}.new")
        beside.unlink(missing_ok=True)
        write_atomically(beside, content, 0o400)
        os.chown(beside, uid, uid)
        beside.replace(path)
    return True


@dataclass(frozen=True)
class Release:
    """One complete release and its record."""

    path: Path
    record: dict[str, Any]

    @property
    def id(self) -> str:
        """Its name."""
        return self.path.name

    @property
    def images(self) -> dict[str, dict[str, Any]]:
        """Service -> {ref, tag, size}."""
        found: dict[str, dict[str, Any]] = self.record["images"]
        return found

    @property
    def address(self) -> str:
        """The public name or address that it serves; empty if unknown."""
        return str(self.record.get("public_address") or "")

    @property
    def contract(self) -> dict[str, Any]:
        """What it makes an index with, as the smoke test read it from its services; empty if unknown."""
        found: dict[str, Any] = self.record.get("index_contract") or {}
        return found

    def files(self) -> dict[str, str]:
        """Its rendered files, by path."""
        return {
            str(path.relative_to(self.path)): path.read_text()
            for path in sorted(self.path.rglob("*"))
            if path.is_file() and path.name != RECORD and "logs" not in path.relative_to(self.path).parts
        }


@dataclass(frozen=True)
class Store:
    """All releases of a host."""

    root: Path

    @contextlib.contextmanager
    def locked(self, timeout: float = 600) -> Iterator[None]:
        """One change at a time: a run whose operator was disconnected may still be running here."""
        path = self.root / "state" / "release.lock"
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        refusal = ReleaseError(
            f"Another run has been changing releases on this host for {timeout:.0f} s "
            f"({path} is locked). On the host, `fuser {path}` names its process."
        )
        with locked(path, timeout, refusal):
            yield

    @property
    def releases(self) -> Path:
        """The directory of releases."""
        return self.root / "releases"

    @property
    def history(self) -> Path:
        """One JSON line for each deployment or rollback, oldest first."""
        return self.root / "state" / "deployments.jsonl"

    def get(self, name: str) -> Release | None:
        """A complete release, if there is one of that name."""
        path = self.releases / name
        if not ID.match(name) or not (path / RECORD).is_file():
            return None
        return Release(path, json.loads((path / RECORD).read_text()))

    def all(self) -> list[Release]:
        """Complete releases, newest first."""
        if not self.releases.is_dir():
            return []
        found = (self.get(path.name) for path in sorted(self.releases.iterdir(), reverse=True))
        return [release for release in found if release]

    def current(self) -> Release | None:
        """The release that serves."""
        link = self.root / "current"
        return self.get(link.readlink().name) if link.is_symlink() else None

    def deployed(self) -> list[str]:
        """Ids of releases that still exist, the last to go live first, each once."""
        here = {release.id for release in self.all()}
        lines = self.history.read_text().splitlines() if self.history.is_file() else []
        ids = [json.loads(line)["release"] for line in reversed(lines) if line.strip()]
        return [name for name in dict.fromkeys(ids) if name in here]

    def serving(self) -> str:
        """Describe the release that serves."""
        current = self.current()
        return f"release {current.id} serves" if current else "nothing serves yet"

    def previous(self) -> Release | None:
        """The release that served before the current one."""
        current = self.current()
        for name in self.deployed():
            if current is None or name != current.id:
                return self.get(name)
        return None

    def require(self, name: str) -> Release:
        """A release by name, the previous one for an empty name; else an error that lists the valid ones."""
        found = self.get(name) if name else self.previous()
        if found:
            return found
        current = self.current()
        serving = current.id if current else ""
        valid = [f"{one.id}{' (serves now)' if one.id == serving else ''}" for one in self.all()]
        what = f"There is no release {name!r}" if name else "There is no release before the current one"
        if not valid:
            raise ReleaseError(
                f"{what} in {self.releases}: nothing was deployed yet. Run playbooks/deploy.yml first."
            )
        raise ReleaseError(
            f"{what}. Releases on this host, newest first: {', '.join(valid)}. Name one: -e release=<id>."
        )

    def find(self, content: str) -> Release | None:
        """The newest release with this content: the current one is preferred, to avoid needless changes."""
        current = self.current()
        candidates = ([current] if current else []) + self.all()
        return next((one for one in candidates if one.record["content"] == content), None)

    def write(self, name: str, files: Mapping[str, str], record: Mapping[str, Any]) -> Path:
        """Write a release beside the others, as <id>.tmp. Remove what an interrupted run left there."""
        self.releases.mkdir(mode=0o755, parents=True, exist_ok=True)
        for stale in self.releases.glob("*.tmp"):
            shutil.rmtree(stale)
        path = self.releases / f"{name}.tmp"
        write_tree(path, files)
        write_atomically(path / RECORD, json.dumps({"id": name, **record}, indent=2, sort_keys=True) + "\n")
        return path

    def complete(self, name: str) -> None:
        """<id>.tmp becomes <id>."""
        (self.releases / f"{name}.tmp").rename(self.releases / name)

    def note_contract(self, name: str, contract: Mapping[str, Any]) -> bool:
        """Add to a release's record what it makes an index with; returns whether the record changed."""
        release = self.require(name)
        if not contract or release.contract == contract:
            return False
        record = {**release.record, "index_contract": dict(contract)}
        write_atomically(release.path / RECORD, json.dumps(record, indent=2, sort_keys=True) + "\n")
        return True

    def fail(self, name: str) -> Path:
        """<id> (or <id>.tmp) becomes <id>.failed; never the release that serves."""
        current = self.current()
        failed = self.releases / f"{name}.failed"
        if current and current.id == name:
            return current.path
        for path in (self.releases / name, self.releases / f"{name}.tmp"):
            if path.is_dir():
                path.rename(failed)
        failed.mkdir(exist_ok=True)
        return failed

    def switch(self, name: str, entry: Mapping[str, Any]) -> None:
        """Make a release the current one, and add that to the history."""
        beside = self.root / ".current.new"
        beside.unlink(missing_ok=True)
        beside.symlink_to(Path("releases") / name)
        self.history.parent.mkdir(parents=True, exist_ok=True)
        with self.history.open("a") as out:
            out.write(json.dumps({"release": name, **entry}, sort_keys=True) + "\n")
            out.flush()
            os.fsync(out.fileno())
        beside.replace(self.root / "current")

    def doomed(self, keep: int) -> list[Path]:
        """What pruning by count removes: never the current release or the one before it."""
        previous = self.previous()
        safe = {one.id for one in (self.current(), previous) if one}
        by_age = self.deployed()
        never_live = [one.id for one in self.all() if one.id not in by_age]
        kept = keep_newest(by_age, keep, safe)
        paths = [
            self.releases / name for name in [*by_age, *never_live] if name not in kept and name not in safe
        ]
        failed = sorted(self.releases.glob("*.failed"), reverse=True)
        return paths + failed[keep:]


def contract_warning(target: Release, serving: Release | None) -> str:
    """The effect of a release on the index; empty if there is none, or if a record has no contract."""
    if serving is None or not target.contract or not serving.contract:
        return ""
    pairs = {name: (serving.contract.get(name), target.contract.get(name))
             for name in sorted({*serving.contract, *target.contract})}  # fmt: skip
    differing = [f"{name} {old} -> {new}" for name, (old, new) in pairs.items() if old != new]
    if not differing:
        return ""
    return (
        f"Release {target.id} makes its index otherwise than {serving.id}, which serves: "
        f"{', '.join(differing)}. Its worker reads every document again into a second index. "
        "Until that is complete, the current one answers as long as Ollama has the model that made it; "
        "`ingestion` of /api/status shows the progress."
    )


def keep_newest(names: Iterable[str], count: int, safe: set[str]) -> set[str]:
    """The first `count` names; those that are safe anyway count too."""
    kept = set(safe)
    for name in names:
        if len(kept) >= count and name not in kept:
            break
        kept.add(name)
    return kept


def write_tree(root: Path, files: Mapping[str, str]) -> None:
    """Write files below a directory, for all to read: containers run as many users; none of it is secret."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomically(path, text)
    for path in (root, *root.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)


def sync_tree(root: Path, files: Mapping[str, str]) -> list[str]:
    """Make a directory contain exactly these files, replaced by rename; returns the changed paths."""
    changed: list[str] = []
    for name, text in files.items():
        path = root / name
        if not path.is_file() or path.read_text() != text:
            path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            write_atomically(path, text)
            changed.append(name)
    for path in sorted(root.rglob("*"), reverse=True):
        if path.is_file() and str(path.relative_to(root)) not in files:
            path.unlink()
            changed.append(str(path.relative_to(root)))
        elif path.is_dir() and not any(path.iterdir()):
            path.rmdir()
    return changed
