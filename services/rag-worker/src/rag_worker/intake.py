"""Documents added and watched from the command line; the running worker reads them."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from rag_core import factory
from rag_core.errors import UploadRefused
from rag_core.ledger import Ledger
from rag_core.ledger.notes import TARGET, WANTED
from rag_core.models import DocumentState
from rag_worker.settings import WorkerSettings

_LOOK_SECONDS = 0.5
_OPEN = {DocumentState.QUEUED, DocumentState.PROCESSING}


def ingest(
    settings: WorkerSettings,
    ledger: Ledger,
    paths: Sequence[Path],
    *,
    wait: bool,
    timeout: float,
    out: Console,
    err: Console,
) -> bool:
    """Add the files and, if requested, wait; False if one is refused, fails or is not done in time."""
    uploads = factory.build_uploads(settings, ledger)
    taken: dict[str, str] = {}
    good = True
    for path, in_folder in _files(paths):
        try:
            with path.open("rb") as stream:
                taken[uploads.accept(path.name, stream, replace=not in_folder).id] = str(path)
        except UploadRefused as error:
            good = False
            err.print(f"{path}: {error.message}", markup=False)
    out.print(f"{len(taken):,} documents taken.")
    if not wait or not taken:
        return good
    left = _wait(ledger, set(taken), timeout, out)
    for one in left:
        err.print(f"{taken[one]}: not read after {timeout:.0f} s; `ragdock doctor` shows why", markup=False)
    failed = [d for one in taken if (d := ledger.find(one)) and d.state is DocumentState.FAILED]
    for document in failed:
        err.print(f"{taken[document.id]}: {document.reason}", markup=False)
    out.print(
        f"{len(taken) - len(left) - len(failed):,} ready, {len(failed):,} failed, {len(left):,} waiting."
    )
    return good and not failed and not left


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, bool]]:
    """The files, each with a flag that is True if it was found in a folder."""
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else [path]
        for one in inside:
            hidden = path.is_dir() and any(part.startswith(".") for part in one.relative_to(path).parts)
            if one.is_file() and not one.is_symlink() and not hidden:
                yield one, path.is_dir()


def _wait(ledger: Ledger, ids: set[str], timeout: float, out: Console) -> set[str]:
    """Wait for these documents; returns those that are not done after `timeout` seconds (0: no limit)."""
    deadline = time.monotonic() + timeout if timeout else float("inf")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, transient=True) as progress:
        task = progress.add_task("reading", total=len(ids))
        while True:
            still = {one for one in ids if (d := ledger.find(one)) is not None and d.state in _OPEN}
            now = ledger.ingestion()
            text = f"waiting: {now.paused}" if now.paused else f"{now.chunks_per_minute:.0f} chunks a minute"
            progress.update(task, completed=len(ids) - len(still), description=text)
            if not still or time.monotonic() > deadline:
                return still
            time.sleep(_LOOK_SECONDS)


def watch(ledger: Ledger, *, once: bool, out: Console) -> None:
    """Show a small table that updates itself until interrupted."""
    if once:
        out.print(_table(ledger))
        return
    with Live(_table(ledger), console=out, refresh_per_second=2) as live:
        while True:
            time.sleep(_LOOK_SECONDS)
            live.update(_table(ledger))


def _table(ledger: Ledger) -> Table:
    counts, now = ledger.counts(), ledger.ingestion()
    rows = {
        "documents": ", ".join(f"{many:,} {state.value}" for state, many in counts.items() if many) or "none",
        "left": f"{now.documents_left:,} documents, about {now.chunks_left:,} chunks",
        "in hand": f"{now.pages_in_hand_done:,} of {now.pages_in_hand:,} pages",
        "rate": f"{now.documents_per_minute:g} documents, {now.pages_per_minute:g} pages,"
        f" {now.chunks_per_minute:g} chunks a minute",
        "time left": _span(now.seconds_left),
    }
    if now.paused:
        rows["paused"] = now.paused
    if now.rebuilding is not None:
        rows["new index"] = f"{now.rebuilding:,} documents to go; the old one answers"
    if now.questions_first:
        rows["letting go first"] = f"{now.questions_first} questions"
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for name, value in rows.items():
        table.add_row(name, value)
    return table


def _span(seconds: int | None) -> str:
    if seconds is None:
        return "-"
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s"


def wait_for_reindex(ledger: Ledger, *, timeout: float, out: Console) -> bool:
    """Wait until no new index is requested or being built; False after `timeout` seconds (0: no limit)."""
    deadline = time.monotonic() + timeout if timeout else float("inf")
    with out.status("reading all documents into a new index") as status:
        while ledger.noted(WANTED) is not None or ledger.noted(TARGET) is not None:
            left = ledger.ingestion().rebuilding
            if left is not None:
                status.update(f"{left:,} documents to go")
            if time.monotonic() > deadline:
                return False
            time.sleep(_LOOK_SECONDS)
    out.print("The new index serves.")
    return True
