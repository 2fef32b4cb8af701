"""Versions of what the services store: a deployment backs up first when one of them changes."""

from __future__ import annotations

from rag_core.extract import chunk
from rag_core.index.embed import MAPPING_VERSION
from rag_core.ledger import schema


def versions() -> dict[str, int]:
    """Version of each format: ledger's tables, index mapping and chunks."""
    return {"ledger": len(schema.STEPS), "index mapping": MAPPING_VERSION, "chunks": chunk.VERSION}
