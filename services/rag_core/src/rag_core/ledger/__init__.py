"""The ledger: every document by its content, with its state and the worker that holds it.

One SQLite file in WAL mode, shared by the containers of rag-app and rag-worker through a directory of the
host. Each change of state is one transaction conditional on the expected state, so an upload, a deletion and
a worker that act on the same document at once cannot overwrite each other's changes.

    queued -> processing -> ready | failed        failed -> queued (retry, or the same file once more)
    any -> deleting -> deleted                    deleting, deleted -> queued (the same file once more)

While an index is rebuilt, ready documents stay ready and are read again one by one (rebuilding.py).
"""

from __future__ import annotations

from rag_core.ledger.intake import Intake, SeenFile, document_id
from rag_core.ledger.rebuilding import Rebuilding
from rag_core.ledger.throughput import Throughput
from rag_core.ledger.work import Job

__all__ = ["Job", "Ledger", "SeenFile", "document_id"]


class Ledger(Intake, Rebuilding, Throughput):
    """All documents; safe to share between threads and between processes."""
