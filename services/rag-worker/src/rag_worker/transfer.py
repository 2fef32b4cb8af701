"""Exports documents and their text from the ledger and the index, one JSON object per line."""

from __future__ import annotations

import json
import os
from pathlib import Path

from rag_core.index.reader import IndexReader
from rag_core.ledger import Ledger

_PAGE = 500


def export(ledger: Ledger, index: IndexReader, file: Path, *, text: bool) -> int:
    """Write all documents to `file` atomically; returns how many."""
    part = file.with_name(f"{file.name}.part")
    many = 0
    with part.open("w", encoding="utf-8") as target:
        while documents := ledger.list(limit=_PAGE, offset=many):
            for document in documents:
                line = document.model_dump(mode="json")
                if text:
                    line["passages"] = list(index.chunks(document.id))
                target.write(json.dumps(line, ensure_ascii=False) + "\n")
            many += len(documents)
        target.flush()
        os.fsync(target.fileno())
    part.replace(file)
    return many
