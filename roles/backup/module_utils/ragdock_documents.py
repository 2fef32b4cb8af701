"""Documents as of the backup's moment: each gets a second name, so deleting it meanwhile takes nothing away.

A second name (hard link) costs neither room nor time to speak of, and its content is the document's own.
restic sees these in the place of the documents, so their paths in a backup are those on the host.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.ragdock_backup import Places

# An upload that is still coming in; restic is told to leave it out too.
UNFINISHED = "*.part"


def below(root: Path) -> Iterator[tuple[Path, list[Path]]]:
    """Every directory with the documents in it that are whole; what vanishes meanwhile is left out."""
    for name, _, files in os.walk(root):
        folder = Path(name)
        found = [folder / one for one in sorted(files) if not Path(one).match(UNFINISHED)]
        yield folder, [one for one in found if stat.S_ISREG(_mode(one))]


def _mode(path: Path) -> int:
    try:
        return path.lstat().st_mode
    except FileNotFoundError:
        return 0


def documents(root: Path) -> list[Path]:
    """Every document that is whole."""
    return sorted(one for _, found in below(root) for one in found)


def release(places: Places) -> None:
    """The second names are gone; documents that were deleted meanwhile go with them."""
    shutil.rmtree(places.held, ignore_errors=True)


def hold(places: Places) -> None:
    """Give every document that is there now a second name."""
    release(places)
    for folder, found in below(places.raw):
        beside = places.held / folder.relative_to(places.raw)
        with contextlib.suppress(FileNotFoundError):
            here = folder.stat()
            beside.mkdir(parents=True, exist_ok=True)
            # A restore gives directories their owner and mode back from here.
            os.chown(beside, here.st_uid, here.st_gid)
            beside.chmod(stat.S_IMODE(here.st_mode))
            for path in found:
                # Deleted between the two: it is not there at the moment.
                with contextlib.suppress(FileNotFoundError):
                    os.link(path, beside / path.name)
            os.utime(beside, ns=(here.st_atime_ns, here.st_mtime_ns))


def in_their_place(places: Places) -> tuple[str, ...]:
    """What a command is begun with that is to see these documents where the live ones are; nobody else does.

    The mount is in a name space of the command's own and goes with it, however it ends.
    """
    script = 'mount --bind "$0" "$1" && shift && exec "$@"'
    private = ("unshare", "--mount", "--propagation", "private")
    return (*private, "sh", "-c", script, str(places.held), str(places.raw))
