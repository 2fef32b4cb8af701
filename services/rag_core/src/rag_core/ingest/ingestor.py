"""One document at a time from file to searchable chunks, or out of the index again."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from itertools import islice
from pathlib import Path

from rag_core.errors import (
    BudgetUsed,
    DocumentRefused,
    ExtractionFailed,
    InputTooLong,
    ModelMissing,
    ModelRefused,
    OpenSearchRefused,
    Unavailable,
)
from rag_core.extract import Block, BlockKind, Head, Item, Note, Parser, Pulse
from rag_core.extract.blocks import Picture
from rag_core.extract.blocks import blocks as as_blocks
from rag_core.extract.chunk import Chunk, Chunker
from rag_core.index.embed import Embedder
from rag_core.index.writer import IndexWriter
from rag_core.ingest.index_versions import IndexVersion, IndexVersions
from rag_core.ingest.loss import LossMeter
from rag_core.ingest.reporting import Reporting
from rag_core.ledger import Job, Ledger
from rag_core.ledger.throughput import WORDS_LOST, WORDS_SEEN
from rag_core.models import Document, DocumentState, Frozen, ReadingReport

LEASE_SECONDS = 120.0
# Errors caused by one document: it is marked as failed with the reason, and the next one is processed.
_FAULTS = (ExtractionFailed, InputTooLong, ModelRefused, DocumentRefused)
_Fault = ExtractionFailed | InputTooLong | ModelRefused | DocumentRefused
# Most seconds, per text, that pending questions delay a request to the embedder: a small request hardly slows
# the questions.
_COURTESY_PER_TEXT = 2.0
# A document that used this share of a day's tokens and is incomplete will not be complete tomorrow either:
# questions and other documents used the rest.
_WHOLE_DAY = 0.9


class Outcome(StrEnum):
    """How one step ended."""

    IDLE = "idle"  # nothing was due
    READY = "ready"
    FAILED = "failed"  # given up, or to be retried later; the ledger records which
    DELETED = "deleted"
    DROPPED = "dropped"  # deleted by a user meanwhile
    STOPPED = "stopped"  # the worker was asked to stop
    MOVED = "moved"  # a ready document is now in the new index, too
    SWITCHED = "switched"  # the new index serves


class Step(Frozen):
    """What one step did; contains no text of the document."""

    outcome: Outcome
    document_id: str | None = None
    pages: int = 0
    chunks: int = 0
    words: int = 0  # that the parser gave
    words_lost: int = 0  # of these, in no chunk: a bug of ours
    code: str | None = None
    fault: str | None = None  # where an unexpected error happened, for the log


class Filled(Frozen):
    """What one reading of a document put into an index."""

    pages: int
    chunks: int
    report: ReadingReport

    @property
    def figures(self) -> dict[str, int]:
        """The figures for the log."""
        return {
            "pages": self.pages,
            "chunks": self.chunks,
            "words": self.report.words,
            "words_lost": self.report.words_lost,
        }


class _Stopped(Exception):  # noqa: N818 - control flow
    """The worker was asked to stop between two batches."""


class _DeletedMeanwhile(Exception):  # noqa: N818 - control flow
    """The document was deleted while it was read."""


class Ingestor:
    """Processes the ledger's work. If a dependency is down, it raises Unavailable and uses up no attempt."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        parser: Parser,
        embedder: Embedder,
        index: IndexWriter,
        owner: str,
        batch: int,
        uploads_dir: Path,
    ) -> None:
        self._ledger = ledger
        self._parser = parser
        self._embedder = embedder
        self._index = index
        self._owner = owner
        self._batch = batch
        self._uploads_dir = uploads_dir
        self._versions = IndexVersions(ledger=ledger, embedder=embedder, index=index)

    def prepare(self) -> bool:
        """Create or check the index. If it had to be created, every ready document is read again."""
        return self._versions.prepare()

    def step(self, alive: Callable[[], bool] = lambda: True) -> Step:
        """Do the next piece of work. `alive` is called between batches; False puts the document back."""
        versions = self._versions
        job = self._ledger.claim(self._owner, LEASE_SECONDS, only_deletions=not versions.can_serve)
        if job is None and versions.target is not None:
            return self._rebuild(versions.target, alive)
        if job is None:
            if versions.rebuild_requested():
                versions.prepare()
            return Step(outcome=Outcome.IDLE)
        try:
            if job.document.state is DocumentState.DELETING:
                return self._delete(job)
            return self._ingest(job, alive)
        except _Stopped:
            self._ledger.release(job.document.id, self._owner)
            return Step(outcome=Outcome.STOPPED, document_id=job.document.id)
        except (Unavailable, ModelMissing, OpenSearchRefused):
            self._ledger.release(job.document.id, self._owner)
            raise
        except Exception as error:  # noqa: BLE001 - whatever one document does, the next is served
            return self._unexpected(job.document, error)

    def close(self) -> None:
        """End the parsing process and close the connections."""
        self._parser.close()
        self._embedder.close()
        self._index.close()

    # --- a new document --------------------------------------------------------------------------

    def _ingest(self, job: Job, alive: Callable[[], bool]) -> Step:
        document, version = job.document, self._versions.serving

        def report(pages: int | None, done: int, chunks: int) -> bool:
            return self._ledger.progress(
                document.id,
                self._owner,
                lease_seconds=LEASE_SECONDS,
                pages=pages,
                pages_done=done,
                chunks=chunks,
            )

        try:
            filled = self._fill(job, version, alive, report)
            self._index.finish(version.index, document.id, filled.chunks, fresh=job.fresh)
        except _FAULTS as error:
            return self._fail(document, error)
        except _DeletedMeanwhile:
            return Step(outcome=Outcome.DROPPED, document_id=document.id)
        kept = self._ledger.ready(
            document.id,
            self._owner,
            pages=filled.pages,
            chunks=filled.chunks,
            home=version.index,
            report=filled.report,
        )
        if kept:
            self._ledger.worked(documents=1)
        outcome = Outcome.READY if kept else Outcome.DROPPED
        return Step(outcome=outcome, document_id=document.id, **filled.figures)

    def _fill(
        self,
        job: Job,
        version: IndexVersion,
        alive: Callable[[], bool],
        report: Callable[[int | None, int, int], bool],
    ) -> Filled:
        """Read the file and put its chunks into the index."""
        document = job.document
        meter = LossMeter()
        pages: int | None = None
        count = done = 0
        spent_before = self._embedder.spent(version.contract.model)

        def go_on() -> None:
            if not alive():
                raise _Stopped
            if not report(pages, done, count):
                raise _DeletedMeanwhile

        head, rest = _headed(self._parser.parse(job.path, document.kind, go_on))
        pages = head.pages
        reporting = Reporting()

        def read_to(page: int) -> None:
            nonlocal done
            before, done = done, max(done, min(page, head.pages))
            if done > before:
                self._ledger.worked(pages=done - before)

        def blocks() -> Iterator[Block]:
            for item in rest:
                if isinstance(item, Block):
                    meter.seen(item)
                    yield item
                elif isinstance(item, Note):
                    reporting.add(item)
                else:
                    # A page may take many seconds (OCR): renew the lease, and check whether to go on.
                    read_to(item.page)
                    go_on()

        chunks = Chunker(version.contract.chunk_tokens).chunks(blocks())
        while batch := list(islice(chunks, self._batch)):
            vectors = self._vectors(batch, version.contract.model, spent_before, alive)
            self._index.put(
                version.index,
                document.id,
                document.kind,
                batch,
                vectors,
                name=document.name,
                mapping=version.contract.mapping,
            )
            count += len(batch)
            for chunk in batch:
                meter.kept(chunk)
            self._ledger.worked(chunks=len(batch))
            read_to(batch[-1].page_end - 1)
            go_on()
        if count == 0:
            raise ExtractionFailed("the file holds no text to search", code="no_text")
        self._ledger.worked(pages=head.pages - done)
        self._ledger.tally({WORDS_SEEN: meter.words_seen, WORDS_LOST: meter.words_lost})
        read = reporting.report(words=meter.words_seen, words_lost=meter.words_lost)
        return Filled(pages=head.pages, chunks=count, report=read)

    def _vectors(
        self, batch: Sequence[Chunk], model: str, spent_before: int, alive: Callable[[], bool]
    ) -> list[list[float]]:
        """Return the vectors of some chunks; refuses a document that needs more than a day's tokens.

        `spent_before` are the day's tokens when its reading began.
        """
        try:
            return self._embedder.embed(
                [chunk.embedded for chunk in batch],
                model=model,
                before=lambda texts: self._yield_to_questions(texts, alive),
            )
        except BudgetUsed as used:
            spent = self._embedder.spent(model) - spent_before
            if max(spent / _WHOLE_DAY, used.most) < used.tokens_per_day:
                raise
            raise ModelRefused(
                f"the document needs more than the {used.tokens_per_day:,} tokens that the embedding"
                " model may use in a day; raise tokens_per_day in ragdock_models or divide the"
                " document, then try again",
                code="over_tokens_per_day",
            ) from used

    def _yield_to_questions(self, texts: int, alive: Callable[[], bool]) -> None:
        """Wait while questions are in flight, since embedding would slow them down."""
        until = time.monotonic() + texts * _COURTESY_PER_TEXT
        while self._ledger.questions() and time.monotonic() < until:
            if not alive():
                raise _Stopped
            time.sleep(0.1)

    def _fail(self, document: Document, error: _Fault) -> Step:
        # Chunks written before the fault was found are useless. If even their removal is refused, they stay
        # until the document is deleted or read again: only chunks of ready documents are ever shown.
        with suppress(DocumentRefused):
            self._index.delete(document.id, self._versions.names)
        retryable = isinstance(error, ExtractionFailed) and error.retryable
        self._ledger.fail(
            document.id, self._owner, code=error.code, reason=error.message, retryable=retryable
        )
        return Step(outcome=Outcome.FAILED, document_id=document.id, code=error.code)

    def _unexpected(self, document: Document, error: Exception) -> Step:
        name = type(error).__name__
        reason = f"the worker met an unexpected fault ({name}); its log says where; try again"
        self._ledger.fail(document.id, self._owner, code="internal", reason=reason, retryable=True)
        return _faulty(document, error)

    def _delete(self, job: Job) -> Step:
        try:
            self._index.delete(job.document.id, self._versions.names)
        except DocumentRefused as error:
            # It is already hidden from users. The deletion is retried when the lease has expired.
            return Step(outcome=Outcome.FAILED, document_id=job.document.id, code=error.code)
        done = self._ledger.deleted(job.document.id, self._owner, self._remove)
        return Step(outcome=Outcome.DELETED if done else Outcome.DROPPED, document_id=job.document.id)

    def _remove(self, paths: Sequence[Path]) -> None:
        for path in paths:
            path.unlink(missing_ok=True)
            if path.parent.parent == self._uploads_dir:
                with suppress(OSError):  # the folder still contains another file
                    path.parent.rmdir()

    # --- a ready document into a new index --------------------------------------------------------

    def _rebuild(self, target: IndexVersion, alive: Callable[[], bool]) -> Step:
        """Read one more ready document into the new index, or switch to it when all are in it."""
        job = self._ledger.claim_stale(self._owner, LEASE_SECONDS, target.index)
        if job is None:
            self._versions.switch()
            return Step(outcome=Outcome.SWITCHED)
        document = job.document

        def report(pages: int | None, done: int, chunks: int) -> bool:
            return self._ledger.keep(document.id, self._owner, lease_seconds=LEASE_SECONDS)

        try:
            filled = self._fill(job, target, alive, report)
            self._index.finish(target.index, document.id, filled.chunks)
            self._ledger.moved(
                document.id,
                self._owner,
                pages=filled.pages,
                chunks=filled.chunks,
                home=target.index,
                report=filled.report,
            )
        except _DeletedMeanwhile:
            return Step(outcome=Outcome.DROPPED, document_id=document.id)
        except _Stopped:
            self._ledger.unmoved(document.id, self._owner)
            return Step(outcome=Outcome.STOPPED, document_id=document.id)
        except (Unavailable, ModelMissing, OpenSearchRefused):
            self._ledger.unmoved(document.id, self._owner)
            raise
        except _FAULTS as error:
            self._ledger.lost(document.id, self._owner, code=error.code, reason=error.message)
            return Step(outcome=Outcome.FAILED, document_id=document.id, code=error.code)
        except Exception as error:  # noqa: BLE001 - whatever one document does, the next is served
            reason = f"it could not be read into the new index ({type(error).__name__}); try again"
            self._ledger.lost(document.id, self._owner, code="internal", reason=reason)
            return _faulty(document, error)
        return Step(outcome=Outcome.MOVED, document_id=document.id, **filled.figures)


def _faulty(document: Document, error: Exception) -> Step:
    # Stack frames only: the error's message could quote the document.
    where = f"{type(error).__name__}\n{''.join(traceback.format_tb(error.__traceback__))}"
    return Step(outcome=Outcome.FAILED, document_id=document.id, code="internal", fault=where)


def _headed(items: Iterator[Item]) -> tuple[Head, Iterator[Block | Note | Pulse]]:
    """Return the head, and the blocks with the document's title as outermost heading."""
    first = next(items, None)
    if not isinstance(first, Head):
        raise ExtractionFailed("the parser gave no beginning of the document", code="corrupt")

    def rest() -> Iterator[Block | Note | Pulse]:
        yield from as_blocks(BlockKind.HEADING, first.title, 1, 0)
        for item in items:
            if not isinstance(item, Head | Picture):  # Parser replaces pictures by their text
                yield item

    return first, rest()
