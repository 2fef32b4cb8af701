"""One block device: formatted once, mounted under a stable name, with the directory below it protected."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import stat
import struct
from collections.abc import Sequence
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.commands import Changes
from ansible_collections.ragdock.host.plugins.module_utils.host.errors import HostError

MEBIBYTE = 1 << 20
FILE_SYSTEM = "ext4"
OPTIONS = ("noatime", "nodev", "nosuid")
# Growing below one percent is rounding, not growth.
GROWTH = 1.01
FS_IOC_GETFLAGS = 0x80086601
FS_IOC_SETFLAGS = 0x40086602
FS_IMMUTABLE_FL = 0x10
CLONE_NEWNS = 0x20000
MNT_DETACH = 2
MS_REC = 0x4000
MS_PRIVATE = 1 << 18


class VolumeError(HostError):
    """Why the volume is left as it is, and what to do."""


def mount_unit(device: str, path: str, options: Sequence[str]) -> str:
    """The systemd unit that mounts the volume at boot.

    It is wanted, not required, by local-fs.target: without the volume the host still boots and answers
    SSH, and what needs the data (RequiresMountsFor) stays off.
    """
    return f"""\
# Written by Ragdock (role host_baseline).
[Unit]
Description=Ragdock data volume
Before=local-fs.target

[Mount]
What={device}
Where={path}
Type={FILE_SYSTEM}
Options={",".join(options)}

[Install]
WantedBy=local-fs.target
"""


def zeros(device: str) -> bool:
    """Whether the first and last mebibyte are all zeros."""
    with Path(device).open("rb") as handle:
        end = handle.seek(0, os.SEEK_END)
        edges = []
        for start in (0, max(0, end - MEBIBYTE)):
            handle.seek(start)
            edges.append(handle.read(MEBIBYTE))
    return not any(any(edge) for edge in edges)


def set_immutable(path: str, *, write: bool) -> bool | None:
    """Whether the directory is immutable; with write, make it so. None: this file system has no such flag."""
    handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = struct.unpack("l", fcntl.ioctl(handle, FS_IOC_GETFLAGS, struct.pack("l", 0)))[0]
        if write and not flags & FS_IMMUTABLE_FL:
            fcntl.ioctl(handle, FS_IOC_SETFLAGS, struct.pack("l", flags | FS_IMMUTABLE_FL))
        return bool(flags & FS_IMMUTABLE_FL)
    except OSError:
        return None
    finally:
        os.close(handle)


def beneath(path: str, *, mounted: bool, write: bool) -> bool | None:
    """`set_immutable` of the directory that a mount covers, seen from a separate mount namespace."""
    if not mounted:
        return set_immutable(path, write=write)
    child = os.fork()
    if child == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.unshare(CLONE_NEWNS) or libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None):
            os._exit(3)
        if libc.umount2(path.encode(), MNT_DETACH):
            os._exit(3)
        found = set_immutable(path, write=write)
        os._exit(2 if found is None else int(found))
    _unused, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code == 3:
        raise VolumeError(f"The directory under {path} cannot be read; is Ansible root on the host?")
    return None if code == 2 else bool(code)


class DataVolume:
    """One call's work."""

    def __init__(self, module: Changes, device: str, path: str, label: str, actions: list[str]) -> None:
        self.module = module
        self.device = device
        self.path = path
        self.label = label
        self.actions = actions

    def run(self) -> None:
        """Read everything first; change only what differs."""
        self.require_device()
        mounted = self.mounted_source()
        if self.is_blank():
            self.format()
        self.write_unit()
        if not mounted:
            self.require_empty_mount_point()
            self.protect(mounted=False)
            self.mount()
        else:
            self.protect(mounted=True)
        self.grow()

    def command(self, *argv: str, meaning: str) -> str:
        """Run a program; raise VolumeError if it fails."""
        code, out, err = self.module.run_command(list(argv))
        if code:
            raise VolumeError(f"{meaning}: `{' '.join(argv)}` failed: {(err or out).strip()}.")
        return str(out)

    def act(self, what: str, *argv: str) -> None:
        """Run a program and report it; in check mode only report it."""
        self.actions.append(what)
        if argv and not self.module.check_mode:
            self.command(*argv, meaning=f"Not done: {what}")

    def require_device(self) -> None:
        """Refuse when the volume is not attached."""
        path = Path(self.device)
        if not path.exists() or not stat.S_ISBLK(path.stat().st_mode):
            names = sorted(link.name for link in Path("/dev/disk/by-id").glob("*"))
            raise VolumeError(
                f"Data volume {self.device or '(none named)'} is not attached to this host (attached: "
                f"{', '.join(names) or 'none'}). Without it documents and index would be written to the root "
                "disk and lost with the host, so nothing was changed. Run playbooks/provision.yml, which "
                "attaches it, then run again."
            )

    def mounted_source(self) -> bool:
        """Whether our device is mounted at our path; another one there is refused."""
        number = Path(self.device).stat().st_rdev
        for line in Path("/proc/self/mountinfo").read_text().splitlines():
            fields = line.split()
            if fields[4] != self.path:
                continue
            if fields[2] == f"{os.major(number)}:{os.minor(number)}":
                return True
            raise VolumeError(
                f"{self.path} is occupied by another mount ({fields[-2]}), not by {self.device}. Two volumes "
                f"may be attached: find out which holds the data, `umount {self.path}` on the host, then run "
                "again."
            )
        return False

    def is_blank(self) -> bool:
        """True for a blank device, False for one with our file system; anything else is refused."""
        out = self.command(
            "wipefs", "--no-act", "--json", self.device, meaning="The data volume's signatures cannot be read"
        )
        signatures = json.loads(out).get("signatures", []) if out.strip() else []
        kinds = sorted({entry["type"] for entry in signatures})
        if kinds == [FILE_SYSTEM]:
            return False
        if kinds:
            found = f"has {', '.join(kinds)}"
        elif zeros(self.device):
            return True
        else:
            found = "is not blank, though no known signature is on it"
        raise VolumeError(
            f"Data volume {self.device} {found}. Ragdock formats a blank volume or mounts {FILE_SYSTEM}, and "
            "never overwrites anything else. If it is the wrong volume, attach the right one. If its "
            f"content may go, run `wipefs --all {self.device}` and `blkdiscard --zeroout {self.device}` on "
            "the host yourself, then run again."
        )

    def format(self) -> None:
        """Give a blank device its file system. No force flag: mkfs checks again itself."""
        self.act(
            f"format {self.device} as {FILE_SYSTEM}",
            *("mkfs.ext4", "-q", "-m", "1", "-L", self.label, self.device),
        )
        if not self.module.check_mode:
            self.is_blank()

    def unit_name(self) -> str:
        """systemd's name for the mount."""
        return self.command(
            "systemd-escape", "--path", "--suffix=mount", self.path, meaning="The mount has no unit name"
        ).strip()

    def write_unit(self) -> None:
        """Have the volume mounted at boot."""
        unit = self.unit_name()
        file = Path("/etc/systemd/system") / unit
        content = mount_unit(self.device, self.path, OPTIONS)
        link = Path("/etc/systemd/system/local-fs.target.wants") / unit
        if file.exists() and file.read_text() == content and link.is_symlink():
            return
        self.actions.append(f"write {file}")
        if not self.module.check_mode:
            file.write_text(content)
            file.chmod(0o644)
            self.command("systemctl", "daemon-reload", meaning="systemd does not read its units")
            self.command("systemctl", "enable", unit, meaning="The mount is not enabled")

    def require_empty_mount_point(self) -> None:
        """Refuse to cover files on the root disk."""
        directory = Path(self.path)
        found = sorted(entry.name for entry in directory.iterdir()) if directory.is_dir() else []
        if found:
            raise VolumeError(
                f"{self.path} has {', '.join(found)} on the root disk, and the data volume is not mounted. "
                "Mounting would hide these files. Check what they are, move them away, then run again."
            )

    def protect(self, *, mounted: bool) -> None:
        """Make the directory under the mount immutable, where the root file system supports that."""
        directory = Path(self.path)
        if not directory.is_dir():
            self.actions.append(f"make {self.path}")
            if self.module.check_mode:
                return
            directory.mkdir(parents=True, mode=0o755)
        write = not self.module.check_mode
        if beneath(self.path, mounted=mounted, write=write) is False:
            self.actions.append(f"make the directory under {self.path} immutable")

    def mount(self) -> None:
        """Mount now, by the same unit as at boot."""
        self.act(f"mount {self.device} at {self.path}", "systemctl", "start", self.unit_name())

    def grow(self) -> None:
        """Let the file system fill a device that has grown."""
        if not os.path.ismount(self.path):
            return
        with Path(self.device).open("rb") as handle:
            size = handle.seek(0, os.SEEK_END)
        status = os.statvfs(self.path)
        header = self.command("dumpe2fs", "-h", self.device, meaning="The file system's size cannot be read")
        fields = dict(line.split(":", 1) for line in header.splitlines() if ":" in line)
        used = int(fields["Block count"]) * int(fields["Block size"])
        if size > used * GROWTH:
            self.act(
                f"grow the file system from {status.f_blocks * status.f_frsize >> 30} to {size >> 30} GiB",
                *("resize2fs", self.device),
            )
