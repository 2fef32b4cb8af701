"""The files in a plain zip archive within a document: each is read as a part of that document.

Nothing is unpacked to a path that the archive names: names are only shown, and links are not followed.
"""

from __future__ import annotations

import contextlib
import stat
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rag_core.extract import archives
from rag_core.extract.apart import apart
from rag_core.extract.blocks import Item, Note, Part, clean

MAX_FILE_BYTES = 32 * 1024 * 1024
_MAX_FILES = 100
_MAX_BYTES = 128 * 1024 * 1024  # of all files together, including those in nested archives
_MAX_DEPTH = 3  # archives within archives
_SECONDS = 30.0
_UTF8_NAME = 0x800
_LOCKED = 0x1
# Metadata that macOS and Windows store beside files.
_SYSTEM = ("__MACOSX/", ".DS_Store", "Thumbs.db", "desktop.ini")


@dataclass(slots=True)
class Room:
    """How much may still be unpacked from an archive and those nested in it."""

    files: int = _MAX_FILES
    bytes: int = _MAX_BYTES
    depth: int = _MAX_DEPTH


# (a file's content, its name, the room left for nested archives) -> blocks and notes.
Each = Callable[[bytes, str, Room], Iterator[Item]]
# (its name, why it was not read) -> blocks and notes.
Unread = Callable[[str, str], Iterator[Item]]


def files(path: Path, name: str, room: Room, each: Each, unread: Unread) -> Iterator[Item]:
    """Yield what `each` gives for the files of the archive; `unread` reports those not unpacked."""
    if room.depth == 0:
        yield from unread(name, "it is too deep within other archives; unpack it, and add the files in it")
        return
    room.depth -= 1
    try:
        with zipfile.ZipFile(path) as archive:
            entries = [one for one in archive.infolist() if not (one.is_dir() or _of_system(one.filename))]
            if not entries:
                yield from unread(name, "it is an archive without files")
            for done, entry in enumerate(entries):
                if room.files == 0:
                    yield _more(name, len(entries) - done)
                    break
                room.files -= 1
                inner = f"{name}/{_shown(entry)}"
                why = _hindrance(entry, room)
                content = None if why else apart(partial(_content, archive, entry), _SECONDS, MAX_FILE_BYTES)
                if content is None:
                    yield from unread(inner, why or "it is damaged, or unpacks to more than it says")
                    continue
                room.bytes -= len(content)
                yield from each(content, inner, room)
    except archives.DAMAGED:
        yield from unread(name, "the archive is damaged; ask for it again, or for the files in it")
    room.depth += 1


def _hindrance(entry: zipfile.ZipInfo, room: Room) -> str:
    """Return why an entry is not unpacked; empty if it is."""
    if stat.S_ISLNK(entry.external_attr >> 16):
        return "it is a symbolic link, which is not followed; add the file that it names"
    if entry.flag_bits & _LOCKED:
        return "it is locked with a password; unpack the archive, and add the file"
    if entry.file_size > MAX_FILE_BYTES:
        return "it is too large to be read from here; add it by itself"
    if entry.file_size > room.bytes:
        return "the archive unpacks to too much; unpack it, and add the file"
    return ""


def _content(archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> bytes:
    return archive.read(entry)


def _more(name: str, number: int) -> Note:
    many = "1 more file was" if number == 1 else f"{number:,} more files were"
    message = f"attachment {name}: {many} not read, over the {_MAX_FILES} allowed; unpack it, and add them"
    return Note(Part.ATTACHMENT, number, read=False, message=message)


def _of_system(name: str) -> bool:
    return name.startswith(_SYSTEM[0]) or name.rpartition("/")[2] in _SYSTEM


def _shown(entry: zipfile.ZipInfo) -> str:
    """Return the name to show: some programs write UTF-8 without the flag, and zipfile reads it as CP437."""
    name = entry.filename
    if not entry.flag_bits & _UTF8_NAME:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return " ".join(clean(name).split()) or "file"
