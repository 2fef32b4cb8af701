"""Real manuals in a separate index."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from rag_core import factory
from rag_core.ingest.ingestor import Outcome
from rag_core.settings import RagSettings


@contextlib.contextmanager
def ingested(opensearch: str, ollama: str, home: Path, files: Sequence[Path]) -> Iterator[RagSettings]:
    """Ingest these files; yields the settings of their index."""
    settings = RagSettings(
        opensearch_host=opensearch,
        opensearch_index=f"test-{uuid.uuid4().hex[:8]}",
        ollama_base_url=ollama,
        ollama_model="smollm2:135m",
        ollama_fallback_model="smollm2:135m",
        ollama_timeout_seconds=300,
        embedding_model_name="all-minilm",
        # Other tests may use most of the processors.
        embedding_timeout=300,
        opensearch_timeout=120,
        ingestion_input_dir=home / "raw",
        ledger_path=home / "ledger.sqlite3",
    )
    with contextlib.closing(factory.build_ledger(settings)) as ledger:
        uploads = factory.build_uploads(settings, ledger)
        with contextlib.closing(factory.build_ingestor(settings, ledger, "test")) as ingestor:
            ingestor.prepare()
            for path in files:
                with path.open("rb") as file:
                    uploads.accept(path.name, file)
            while ingestor.step().outcome is not Outcome.IDLE:
                pass
    yield settings
