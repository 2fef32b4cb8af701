"""Controls the parsing process: starts it, sends it requests, kills it when it stops responding."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import rag_core
from rag_core.errors import ExtractionFailed
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Note, Part, Pulse
from rag_core.models import DocumentKind

# Interval between calls of `waiting` while the parser is silent.
_POLL_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits for parsing one file."""

    stall_seconds: float
    cpu_seconds: int
    memory_mib: int
    max_pages: int
    ocr_languages: str = ""  # as Tesseract names them; empty: pictures are not read
    ocr_page_seconds: float = 60.0


class Parser:
    """Parses files one after the other in a separate process, restarted when a file breaks it."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._rest = b""

    def __enter__(self) -> Parser:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def parse(
        self, path: Path, kind: DocumentKind, waiting: Callable[[], None] = lambda: None
    ) -> Iterator[Item]:
        """Yield head, then blocks and notes, as they come; raises ExtractionFailed. Stopping early is fine.

        `waiting` is called after each second of silence; an exception from it ends the parsing at once.
        """
        process = self._start()
        assert process.stdin is not None  # noqa: S101 - opened as a pipe below
        finished = False
        try:
            process.stdin.write(json.dumps({"path": str(path), "kind": kind.value}).encode() + b"\n")
            process.stdin.flush()
            while True:
                reply = self._reply(process, waiting)
                match reply:
                    case ["head", str(title), int(pages)]:
                        yield Head(title, pages)
                    case ["block", str(block_kind), str(text), int(page), int(level)]:
                        yield Block(BlockKind(block_kind), text, page, level)
                    case ["pulse", int(page)]:
                        yield Pulse(page)
                    case ["note", str(part), int(count), bool(read), str(message)]:
                        yield Note(Part(part), count, read, message)
                    case ["error", str(code), str(message)]:
                        finished = True
                        raise ExtractionFailed(message, code=code)
                    case _:
                        finished = True
                        return
        except BrokenPipeError as error:
            raise self._died(process) from error
        finally:
            if not finished:
                self.close()

    def close(self) -> None:
        """End the process."""
        process, self._process, self._rest = self._process, None, b""
        if process is not None:
            process.kill()
            process.communicate()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self.close()
            limits = self._limits
            numbers = (limits.memory_mib, limits.cpu_seconds, limits.max_pages, limits.ocr_page_seconds)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "rag_core.extract.child", *map(str, numbers), limits.ocr_languages],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # parsers' messages may quote the document
                env=_environment(),
            )
        return self._process

    def _reply(self, process: subprocess.Popen[bytes], waiting: Callable[[], None]) -> list[Any]:
        assert process.stdout is not None  # noqa: S101 - opened as a pipe above
        deadline = time.monotonic() + self._limits.stall_seconds
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                left = deadline - time.monotonic()
                if not selector.select(max(0.0, min(left, _POLL_SECONDS))):
                    if left > _POLL_SECONDS:
                        waiting()
                        continue
                    raise ExtractionFailed(
                        f"reading it stood still for {self._limits.stall_seconds:.0f} s and was stopped;"
                        " save it again with another program, or split it",
                        code="parser_hung",
                    )
                block = os.read(process.stdout.fileno(), 1 << 16)
                if not block:
                    raise self._died(process)
                self._rest += block
        line, self._rest = self._rest.split(b"\n", 1)
        reply: list[Any] = json.loads(line)
        return reply

    def _died(self, process: subprocess.Popen[bytes]) -> ExtractionFailed:
        code = process.wait()
        if code == -signal.SIGXCPU:
            return ExtractionFailed(
                f"reading the file took over {self._limits.cpu_seconds} s of processor time and was stopped;"
                " split it",
                code="parser_hung",
            )
        if code == -signal.SIGKILL:
            return ExtractionFailed(
                "the parser was killed, likely for lack of memory; try again when the host does less,"
                " or split the file",
                code="parser_killed",
                retryable=True,
            )
        return ExtractionFailed(
            "the file makes its parser crash: it is damaged, or needs more memory than one file may use;"
            " save it again with another program",
            code="parser_crashed",
        )


def _environment() -> dict[str, str]:
    """Return the few variables that the child needs: a compromised parser must find no settings here."""
    home = str(Path(rag_core.__file__).parents[1])
    # Tesseract's threads busy-wait for each other; with one thread, the other core stays free.
    threads = {"OMP_THREAD_LIMIT": "1"}
    return {"PYTHONPATH": home, "PATH": os.defpath, "LANG": "C.UTF-8", "PYTHONUTF8": "1"} | threads
