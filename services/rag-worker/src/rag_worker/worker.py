"""The worker's loop: find files, do the work, wait out unavailable stores, stop when asked."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from threading import Event

import structlog

from rag_core.errors import RagError
from rag_core.ingest.ingestor import Ingestor, Outcome, Step
from rag_core.ingest.watch import Watcher
from rag_core.ledger import Ledger
from rag_core.ledger.notes import PAUSED

_LOG = structlog.get_logger()
_IDLE_SECONDS = 1.0
_FIRST_WAIT = 1.0
_LONGEST_WAIT = 10.0


class Worker:
    """One worker, independent of document formats and stores."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        watcher: Watcher,
        ingestor: Ingestor,
        heartbeat: Path,
        poll_seconds: float,
        stop: Event,
    ) -> None:
        self._ledger = ledger
        self._watcher = watcher
        self._ingestor = ingestor
        self._heartbeat = heartbeat
        self._poll_seconds = poll_seconds
        self._stop = stop
        self._next_scan = 0.0
        self._prepared = False
        self._paused: str | None = None
        self._unread: frozenset[Path] = frozenset()
        self._wait = _FIRST_WAIT

    def run(self) -> None:
        """Run until `stop` is set."""
        taken_over = self._ledger.take_over()
        self._ledger.note(PAUSED, None)
        _LOG.info("worker started", taken_over=taken_over)
        try:
            while not self._stop.is_set():
                self._guarded(self._turn)
        finally:
            self._ingestor.close()
            _LOG.info("worker stopped")

    def _turn(self) -> None:
        self._look_after()
        if not self._prepared:
            if self._ingestor.prepare():
                _LOG.info("index made")
            self._prepared = True
        if self._paused is not None:
            self._ledger.note(PAUSED, None)
        started = time.monotonic()
        step = self._ingestor.step(self._alive)
        self._resumed()
        if step.outcome is Outcome.IDLE:
            self._stop.wait(min(_IDLE_SECONDS, self._poll_seconds))
        else:
            _report(step, time.monotonic() - started)

    def _guarded(self, turn: Callable[[], None]) -> None:
        """Run one turn; if a store is unavailable, the worker pauses and tries again instead of exiting."""
        try:
            turn()
        except RagError as error:
            self._pause(error.code, error.message)
        except (sqlite3.Error, OSError) as error:
            self._pause("storage", f"{type(error).__name__}: {error}")

    def _pause(self, code: str, message: str) -> None:
        self._prepared = False
        if self._paused != code:
            _LOG.warning("ingestion paused", code=code, message=message)
            self._paused, self._wait = code, _FIRST_WAIT
        with suppress(sqlite3.Error):  # the ledger itself may be unavailable
            self._ledger.note(PAUSED, message)
        # Wait in short stretches, so that the heartbeat shows a waiting worker as alive.
        until = time.monotonic() + self._wait
        while time.monotonic() < until and not self._stop.wait(_IDLE_SECONDS):
            self._beat()
        self._wait = min(self._wait * 2, _LONGEST_WAIT)

    def _resumed(self) -> None:
        """Only after a step: stores may accept reads and refuse writes."""
        if self._paused is not None:
            _LOG.info("ingestion resumed", after=self._paused)
            self._paused, self._wait = None, _FIRST_WAIT

    def _alive(self) -> bool:
        """Called by the ingestor between batches of a document; False makes it stop."""
        self._look_after()
        return not self._stop.is_set()

    def _look_after(self) -> None:
        self._beat()
        now = time.monotonic()
        if now < self._next_scan:
            return
        scan = self._watcher.scan()
        # Check a growing file again soon: it is taken once two scans see the same file.
        self._next_scan = time.monotonic() + (
            min(_IDLE_SECONDS, self._poll_seconds) if scan.growing else self._poll_seconds
        )
        if scan.unread - self._unread:
            _LOG.warning(
                "the worker may not read some files of the input directory; they need its user as owner, or"
                " to be readable for all",
                files=len(scan.unread),
            )
        self._unread = scan.unread
        if scan.suspicious:
            _LOG.warning("every known file is gone from the input directory; nothing is deleted for that")
        elif scan.taken or scan.refused or scan.gone:
            _LOG.info("input directory changed", taken=scan.taken, refused=scan.refused, gone=scan.gone)

    def _beat(self) -> None:
        self._heartbeat.touch()


def _report(step: Step, seconds: float) -> None:
    if step.outcome is Outcome.SWITCHED:
        _LOG.info("the new index serves")
        return
    fields = step.model_dump(exclude_none=True, exclude={"outcome"})
    if step.words_lost:
        _LOG.error("words lost between parser and index", document_id=step.document_id, words=step.words_lost)
    log = _LOG.error if step.fault else _LOG.info
    log(f"document {step.outcome.value}", seconds=round(seconds, 2), **fields)
