"""EBS: each volume a sparse file, each attached one a loop device over it."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox.cloud import Cloud, Volume
from sandbox.errors import SandboxError

GIB = 1 << 30
SYS_BLOCK = Path("/sys/block")


class Disk(BaseModel):
    """An attached volume as its host sees it."""

    model_config = ConfigDict(frozen=True)

    name: str
    major: int
    minor: int
    volume_id: str


def assign(volumes: Sequence[str], before: Iterable[tuple[str, str]]) -> dict[str, str]:
    """A device name for each attached volume; a volume keeps the name it had."""
    kept = {volume: name for volume, name in before if volume in volumes}
    free = (f"nvme{number}n1" for number in range(1, 128))
    for volume in volumes:
        if volume not in kept:
            kept[volume] = next(name for name in free if name not in kept.values())
    return {volume: kept[volume] for volume in volumes}


class Store:
    """The volumes and snapshots of one sandbox, as files."""

    def __init__(self, folder: Path) -> None:
        """Keep files in `folder`."""
        self.folder = folder

    def follow(self, cloud: Cloud) -> list[str]:
        """Make and remove files as the API's volumes and snapshots come and go.

        Snapshots are taken first: a volume may be gone by the time its snapshot is seen.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        roots = {volume for instance in cloud.instances for volume in instance.root_volumes}
        lines = [
            line for snapshot in cloud.snapshots if (line := self._snapshot(snapshot.volume_id, snapshot.id))
        ]
        for volume in cloud.volumes:
            if volume.id not in roots and (line := self._volume(volume)):
                lines.append(line)
        known = {volume.id for volume in cloud.volumes} | {taken.id for taken in cloud.snapshots}
        for path in sorted(self.folder.glob("*.img")):
            if path.stem not in known:
                release(path)
                path.unlink()
                lines.append(f"{path.stem}: removed")
        return lines

    def attach(self, volume_id: str) -> tuple[int, int]:
        """The loop device over a volume's file, as major and minor number."""
        path = self.path(volume_id)
        device = loop_of(path)
        if device is None:
            device = _run("losetup", "--find", "--show", str(path))
        number = Path(device).stat().st_rdev
        return os.major(number), os.minor(number)

    def release_all(self, keep: frozenset[str] = frozenset()) -> list[str]:
        """Release every loop device except those of the named volumes."""
        released = []
        for path in sorted(self.folder.glob("*.img")):
            if path.stem not in keep and (device := release(path)):
                released.append(f"{path.stem}: {device} released")
        return released

    def wait_until_released(self, seconds: float) -> None:
        """Wait for the kernel, which keeps a released device until its last mount has ended."""
        limit = time.monotonic() + seconds
        while self.held() and time.monotonic() < limit:
            time.sleep(0.1)

    def held(self) -> list[str]:
        """Loop devices over files of this folder, by the kernel's list: also over removed ones."""
        listed = _run("losetup", "--list", "--noheadings", "--raw", "--output", "NAME,BACK-FILE")
        pairs = (line.split(maxsplit=1) for line in listed.splitlines())
        return [pair[0] for pair in pairs if pair[-1].startswith(f"{self.folder}/")]

    def path(self, volume_id: str) -> Path:
        """The file of a volume or snapshot."""
        return self.folder / f"{volume_id}.img"

    def _snapshot(self, volume_id: str, snapshot_id: str) -> str:
        source, target = self.path(volume_id), self.path(snapshot_id)
        if target.exists() or not source.exists():
            return ""
        # What the host has written but not yet flushed belongs to the volume here, since
        # host and volume share one kernel.
        os.sync()
        _copy(source, target)
        return f"{snapshot_id}: copy of {volume_id}"

    def _volume(self, volume: Volume) -> str:
        path = self.path(volume.id)
        size = volume.gib * GIB
        if not path.exists():
            source = self.path(volume.snapshot_id) if volume.snapshot_id else None
            if source is not None and source.exists():
                _copy(source, path)
            else:
                path.touch(mode=0o600)
            os.truncate(path, max(size, path.stat().st_size))
            return f"{volume.id}: {volume.gib} GiB" + (f" from {source.stem}" if source else "")
        if path.stat().st_size < size:
            os.truncate(path, size)
            if device := loop_of(path):
                _run("losetup", "--set-capacity", device)
            return f"{volume.id}: grown to {volume.gib} GiB"
        return ""


def loop_of(path: Path) -> str | None:
    """The loop device over a file, if any."""
    for entry in SYS_BLOCK.glob("loop*/loop/backing_file"):
        if entry.read_text().strip() == str(path):
            return f"/dev/{entry.parent.parent.name}"
    return None


def release(path: Path) -> str | None:
    """Release the loop device of a file; the kernel does so once nothing uses it."""
    device = loop_of(path)
    if device is not None:
        _run("losetup", "--detach", device)
    return device


def _copy(source: Path, target: Path) -> None:
    partial = target.with_suffix(".partial")
    _run("cp", "--sparse=always", "--reflink=auto", str(source), str(partial))
    partial.rename(target)


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SandboxError(
            f"{' '.join(command)} failed: {done.stderr.strip()}.",
            "EBS volumes are loop devices over files in .sandbox/ebs.",
            "Check for a full disk (df) or for loop devices in use (losetup -l).",
        )
    return done.stdout.strip()
