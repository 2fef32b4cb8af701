"""Kinds of files that are recognised only to refuse them by name, each with what to do instead."""

from __future__ import annotations

import re
from pathlib import Path

import olefile

_PICTURE = "a picture; put it into a PDF, whose pictures of text are read"
_SOUND = "sound or video; add its transcript as text"
_ARCHIVE = "an archive; unpack it, and bring the files in it"
_SPANNED = "one of several parts of an archive; unpack it with the others, and bring the files in it"
_PROGRAM = "a program"
_FONT = "a font"
_POSTSCRIPT = "PostScript; convert it to PDF (ps2pdf)"
_DATABASE = "a database; export what should be read as CSV"
_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"\x89PNG\r\n", _PICTURE),
    (b"\xff\xd8\xff", _PICTURE),
    (b"GIF8", _PICTURE),
    (b"II*\0", _PICTURE),
    (b"MM\0*", _PICTURE),
    (b"BM", _PICTURE),
    (b"8BPS", _PICTURE),
    (b"\x01\0\0\0", "a picture (EMF); print it to PDF"),
    (b"\xd7\xcd\xc6\x9a", "a picture (WMF); print it to PDF"),
    (b"ID3", _SOUND),
    (b"fLaC", _SOUND),
    (b"OggS", _SOUND),
    (b"\x1aE\xdf\xa3", _SOUND),
    (b"PK\x07\x08", _SPANNED),
    (b"PK00PK\x03\x04", _SPANNED),
    (b"7z\xbc\xaf'\x1c", _ARCHIVE),
    (b"Rar!\x1a\x07", _ARCHIVE),
    (b"\x1f\x8b", _ARCHIVE),
    (b"\x1f\x9d", _ARCHIVE),
    (b"BZh", _ARCHIVE),
    (b"\xfd7zXZ\0", _ARCHIVE),
    (b"(\xb5/\xfd", _ARCHIVE),
    (b'\x04"M\x18', _ARCHIVE),
    (b"MSCF", _ARCHIVE),
    (b"!<arch>\n", _ARCHIVE),
    (b"070707", _ARCHIVE),
    (b"07070", _ARCHIVE),
    (b"\x71\xc7", _ARCHIVE),
    (b"\xc7\x71", _ARCHIVE),
    (b"]\0\0", _ARCHIVE),
    (b"\xff\x06\0\0sNaPpY", _ARCHIVE),
    (b"\x7fELF", _PROGRAM),
    (b"MZ", _PROGRAM),
    (b"\xca\xfe\xba\xbe", _PROGRAM),
    (b"OTTO", _FONT),
    (b"wOF", _FONT),
    (b"\0\x01\0\0\0", _FONT),
    (b"%!PS", _POSTSCRIPT),
    (b"\xc5\xd0\xd3\xc6", _POSTSCRIPT),
    (b"AT&TFORM", "a DjVu file; convert it to PDF"),
    (b"ITSF", "a Windows help file (CHM); export its pages as HTML"),
    (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d", "a OneNote section; export it as PDF or DOCX"),
    (b"!BDN", "an Outlook mailbox (PST); export its messages as .eml or mbox"),
    (b"\xffWPC", "a WordPerfect file; save it as DOCX or PDF"),
    (b"<MIFFile", "a FrameMaker file; save it as PDF"),
    (b"SQLite format 3\0", _DATABASE),
    (b"bplist", "an Apple property list; save it as text"),
)
# (offset, bytes): marks that are not at the beginning.
_WITHIN: tuple[tuple[int, bytes, str], ...] = (
    (4, b"Standard Jet DB", _DATABASE),
    (4, b"Standard ACE DB", _DATABASE),
    (4, b"ftypheic", _PICTURE),
    (4, b"ftypmif1", _PICTURE),
    (4, b"ftypavif", _PICTURE),
    (4, b"ftyp", _SOUND),
    (8, b"WEBP", _PICTURE),
    (8, b"WAVE", _SOUND),
    (8, b"AVI ", _SOUND),
    (60, b"BOOKMOBI", "a Kindle book; convert it to EPUB"),
    (257, b"ustar", _ARCHIVE),
)
# Pictures whose text may be recognised, by Pillow's names; also a bitmap without a file header.
_PICTURES = {
    b"\x89PNG\r\n": "PNG",
    b"\xff\xd8\xff": "JPEG",
    b"GIF8": "GIF",
    b"BM": "BMP",
    b"(\0\0\0": "DIB",
    b"II*\0": "TIFF",
    b"MM\0*": "TIFF",
    b"RIFF": "WEBP",
}
# Marks of formats that are text themselves. Other marks of only letters or digits may begin a text ("BMW",
# "070707"): they only count in files that contain non-text bytes.
_OF_TEXTS = (b"%!PS", b"<MIFFile", b"!<arch>\n")
_BINARY = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
_SHOWN_NAME = re.compile(r"[^\x20-\x7e]")

OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
# A stream that only files of one program have -> what they are.
_OLE_KINDS = (
    ("WordDocument", "in Word's format of before 2007; open it and save it as .docx"),
    ("PowerPoint Document", "in PowerPoint's format of before 2007; open it and save it as .pptx"),
    ("Workbook", "in Excel's format of before 2007; open it and save it as .xlsx"),
    ("Book", "in Excel's format of before 1997; open it and save it as .xlsx"),
    ("VisioDocument", "a Visio drawing; save it as PDF"),
    ("Quill", "a Publisher file; save it as PDF"),
    ("HwpSummaryInformation", "a Hangul document; save it as DOCX or PDF"),
    ("PerfectOffice_MAIN", "a Corel Office file; save it as DOCX, XLSX or PDF"),
)
_OUTLOOK = "__properties_version1.0"
_LOCKED = "EncryptedPackage"


def named(head: bytes) -> str | None:
    """Return what a file beginning with these bytes is, and what to do; None if it is none of these."""
    binary = _BINARY.search(head) is not None
    for offset, mark, text in (*((0, mark, text) for mark, text in _BEGINNINGS), *_WITHIN):
        sure = binary or mark in _OF_TEXTS or not (mark.isascii() and mark.decode("ascii").isprintable())
        if sure and head[offset : offset + len(mark)] == mark:
            return text
    return None


def picture_format(head: bytes) -> str | None:
    """Return the format of a picture beginning with these bytes; None if it is none of the known ones."""
    found = next((name for mark, name in _PICTURES.items() if head.startswith(mark)), None)
    marked = {"BMP": head[6:10] == bytes(4), "WEBP": head[8:12] == b"WEBP"}
    return found if found and marked.get(found, True) else None


class Compound:
    """The content of an OLE file: Office files before 2007, encrypted ones, and Outlook's messages.

    The case of its names does not matter.
    """

    def __init__(self, path: Path) -> None:
        """Read the names of the file's streams."""
        self._streams: set[str] = set()
        try:
            with olefile.OleFileIO(path) as file:
                entries = file.listdir(storages=True)
                self._streams = {entry[0].strip("\x05").lower() for entry in entries}
        except (OSError, ValueError, IndexError, TypeError, AttributeError, RecursionError):
            # The table of parts is damaged; their names may still be found.
            data = path.read_bytes()
            names = (_LOCKED, _OUTLOOK, *(stream for stream, _ in _OLE_KINDS))
            self._streams = {name.lower() for name in names if name.encode("utf-16-le") in data}

    @property
    def is_message(self) -> bool:
        """Whether it is a message saved by Outlook (.msg)."""
        return _OUTLOOK.lower() in self._streams

    @property
    def is_locked(self) -> bool:
        """Whether it is an Office file encrypted with a password."""
        return _LOCKED.lower() in self._streams

    @property
    def description(self) -> str:
        """What it is, and what to do."""
        for stream, text in _OLE_KINDS:
            if stream.lower() in self._streams:
                return text
        return "of an older program of Microsoft's kind; open it there and save it as DOCX, XLSX or PDF"
