"""Versions of the formats that the services store; a deployment that changes one backs up first."""

from __future__ import annotations

from rag_core.extract import chunk
from rag_core.index.embed import MAPPING_VERSION
from rag_core.ledger import schema


def versions() -> dict[str, int]:
    """Return the version of each format: the ledger's tables, the index mapping and the chunks."""
    return {"ledger": len(schema.STEPS), "index mapping": MAPPING_VERSION, "chunks": chunk.VERSION}
