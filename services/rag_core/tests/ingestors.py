"""Ingestors as the worker builds them, for tests that bring settings of their own, and documents for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from rag_core import factory
from rag_core.extract import Parser
from rag_core.ingest.ingestor import Ingestor
from rag_core.ledger import Ledger
from rag_core.models import Document, DocumentKind
from rag_core.settings import RagSettings


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with factory.build_parser(RagSettings()) as one:
        yield one


@pytest.fixture
def work_with(ledger: Ledger, parser: Parser) -> Iterator[Callable[[RagSettings], Ingestor]]:
    """Create ingestors with given settings, all on one ledger."""
    with ExitStack() as stack:

        def make(settings: RagSettings) -> Ingestor:
            embedder, index = factory.build_embedder(settings), factory.build_index_writer(settings)
            stack.enter_context(closing(embedder))
            stack.enter_context(closing(index))
            return Ingestor(
                ledger=ledger,
                parser=parser,
                embedder=embedder,
                index=index,
                owner="worker",
                batch=settings.embedding_batch,
                uploads_dir=settings.uploads_dir,
            )

        yield make


@pytest.fixture
def worker(work_with: Callable[[RagSettings], Ingestor], settings: RagSettings) -> Ingestor:
    return work_with(settings)


def queue(ledger: Ledger, tmp_path: Path, *texts: str) -> list[Document]:
    documents = []
    for number, text in enumerate(texts):
        path = tmp_path / f"{number}.txt"
        path.write_text(text)
        documents.append(
            ledger.enqueue(
                # Ids are prefixes of hashes.
                sha256=f"{number + 1}".ljust(64, "0"),
                kind=DocumentKind.TEXT,
                size=len(text),
                name=path.name,
                source=path,
            )
        )
    return documents
