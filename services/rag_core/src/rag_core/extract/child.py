"""The parsing process: `python -m rag_core.extract.child MEMORY_MIB CPU_SECONDS PAGES OCR_SECONDS LANGUAGES`.

It reads one request per line on standard input ({"path", "kind"}) and answers with lines on standard output:
one head, blocks, notes and keepalives, then an end or an error. A file that hangs or exhausts memory ends
only this process.
"""

from __future__ import annotations

import importlib
import json
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from rag_core.extract import blobs
from rag_core.extract.blocks import Block, Head, Item, Note, Ocr, Part, Unreadable
from rag_core.extract.pictures import Recognition, recognised
from rag_core.extract.signatures import OLE
from rag_core.models import DocumentKind

_PULSE_SECONDS = 0.5
_MAX_DEPTH = 3  # files within files


def parse(
    path: Path, kind: DocumentKind, max_pages: int, recognition: Recognition, depth: int = 0
) -> Iterator[Item]:
    """Yield head and blocks of one file; `depth` counts the files that contain it."""

    def read(one: Path, its_kind: DocumentKind) -> Iterator[Item]:
        if depth >= _MAX_DEPTH:
            raise Unreadable("too_deep", "it is too deep within other files; add it by itself")
        return guarded(one, its_kind, max_pages, recognition, depth + 1)

    match kind:
        case DocumentKind.PDF:
            return _parser("pdf")(path, max_pages, recognition, read if depth < _MAX_DEPTH else None)
        case DocumentKind.DOCX:
            return _parser("word")(path, read)
        case DocumentKind.PPTX:
            return _parser("slides")(path, max_pages, read)
        case DocumentKind.XLSX:
            return _parser("sheet")(path, read)
        case DocumentKind.CSV:
            return _parser("values")(path)
        case DocumentKind.EPUB:
            return _parser("book")(path, max_pages)
        case DocumentKind.EMAIL:
            with path.open("rb") as file:
                from_outlook = file.read(len(OLE)) == OLE
            return _parser("outlook" if from_outlook else "mail")(path, read)
        case DocumentKind.HTML:
            return _parser("html")(path)
        case DocumentKind.OPENDOCUMENT:
            return _parser("opendocument")(path, read)
        case DocumentKind.RTF:
            return _parser("rtf")(path, read)
        case DocumentKind.XML:
            return _parser("markup")(path, read)
        case DocumentKind.NOTEBOOK:
            return _parser("notebook")(path)
        case DocumentKind.MARKDOWN | DocumentKind.TEXT:
            return _parser("text")(path, markdown=kind is DocumentKind.MARKDOWN)
        case DocumentKind.UNKNOWN:
            raise Unreadable("unsupported", "no parser reads this kind of file")


def guarded(
    path: Path, kind: DocumentKind, max_pages: int, recognition: Recognition, depth: int = 0
) -> Iterator[Item]:
    """Parse without encoded data; an exception on a broken file becomes Unreadable with a reason."""
    cut = 0
    try:
        found = parse(path, kind, max_pages, recognition, depth)
        for item in recognised(found, recognition):
            if isinstance(item, Block):
                text, times = blobs.without(item.text)
                cut += times
                if times:
                    item = replace(item, text=text)
            yield item
    except (Unreadable, FileNotFoundError, MemoryError):
        raise
    except Exception as error:
        raise Unreadable(
            "corrupt",
            f"the file is damaged: a part of it is truncated, missing or corrupt ({_named(error)});"
            " open it with the program that made it and save it again, or copy or download it again",
        ) from error
    if cut:
        many = "1 stretch" if cut == 1 else f"{cut:,} stretches"
        yield Note(Part.TEXT, 0, message=f"{many} of encoded data (base64, keys) left out: nobody reads them")


def _named(error: Exception) -> str:
    """Name the library at fault, without its message, which may quote the document."""
    kind = type(error)
    return f"{kind.__module__}.{kind.__name__}".removeprefix("builtins.")


def _parser(name: str) -> Callable[..., Iterator[Item]]:
    """Load a format's parser on first use: all their libraries together take seconds and 60 MiB."""
    found: Callable[..., Iterator[Item]] = importlib.import_module(f"rag_core.extract.{name}").parse
    return found


def answer(path: Path, kind: DocumentKind, max_pages: int, reader: Ocr | None) -> Iterator[list[object]]:
    """The lines of one answer."""
    pulsed = time.monotonic()
    try:
        for item in guarded(path, kind, max_pages, Recognition(reader)):
            if isinstance(item, Head):
                yield ["head", item.title, item.pages]
            elif isinstance(item, Block):
                yield ["block", item.kind.value, item.text, item.page, item.level]
            elif isinstance(item, Note):
                yield ["note", item.part.value, item.count, item.read, item.message]
            elif (now := time.monotonic()) - pulsed > _PULSE_SECONDS:
                pulsed = now
                yield ["pulse", item.page]
        yield ["end"]
    except Unreadable as error:
        yield ["error", error.code, error.message]
    except FileNotFoundError:
        yield ["error", "file_missing", "the stored file is gone; upload it again"]
    except MemoryError:
        yield [
            "error",
            "too_much_memory",
            "reading the file needs more memory than one file may use; split it",
        ]


_PARSERS = (
    "book",
    "html",
    "mail",
    "markup",
    "notebook",
    "opendocument",
    "outlook",
    "pdf",
    "rtf",
    "sheet",
    "slides",
    "text",
    "values",
    "word",
)


def load_all() -> None:
    """Load every parser, so that an image that lacks a library is found when it is built."""
    for name in _PARSERS:
        _parser(name)


def main(arguments: list[str]) -> None:
    """Answer requests until standard input closes."""
    memory_mib, cpu_seconds, max_pages = map(int, arguments[:3])
    ocr_seconds, languages = float(arguments[3]), arguments[4]
    reader = Ocr(languages, ocr_seconds) if languages else None
    resource.setrlimit(resource.RLIMIT_AS, (memory_mib * 2**20, memory_mib * 2**20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)  # answering questions has priority over reading files
    for line in sys.stdin:
        request = json.loads(line)
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime) + 1 + cpu_seconds
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))
        for reply in answer(Path(request["path"]), DocumentKind(request["kind"]), max_pages, reader):
            sys.stdout.write(json.dumps(reply) + "\n")
            if reply[0] != "block":
                sys.stdout.flush()
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
