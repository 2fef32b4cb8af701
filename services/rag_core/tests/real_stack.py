"""One index in a real OpenSearch with a real Ollama, and the services that use it."""

from __future__ import annotations

import contextlib
import io
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag_core import factory
from rag_core.answering.answerer import Answerer
from rag_core.ingest.ingestor import Ingestor, Outcome
from rag_core.ledger import Ledger
from rag_core.models import Document
from rag_core.retrieval.retriever import Retriever
from rag_core.settings import RagSettings

MakePdf = Callable[..., Path]

PAGES = [
    "The turbine hall of the Kestrel plant was built in 1963. It has two cranes of forty tonnes each.",
    "Bearing temperature must stay below 85 degrees Celsius. Above that the Kestrel turbine trips by itself.",
    "The option --max-trip-delay sets how long the controller waits. It stands in /etc/kestrel/trip.conf.",
    "Visitors wear a helmet. The canteen of the plant opens at noon and serves fish on Fridays.",
]


class Stack:
    """All objects for one index, built as the services build them."""

    def __init__(self, settings: RagSettings) -> None:
        self.settings = settings
        self.ledger: Ledger = factory.build_ledger(settings)
        self.ingestor: Ingestor = factory.build_ingestor(settings, self.ledger, "test")
        self.index = factory.build_index_writer(settings)
        self.retriever: Retriever = factory.build_retriever(settings, self.ledger)
        self.answerer: Answerer = factory.build_answerer(settings, self.ledger)

    def upload(self, name: str, content: bytes) -> Document:
        return factory.build_uploads(self.settings, self.ledger).accept(name, io.BytesIO(content))

    def work(self) -> None:
        while self.ingestor.step().outcome is not Outcome.IDLE:
            pass

    def close(self) -> None:
        for part in (self.ingestor, self.index, self.retriever, self.answerer, self.ledger):
            part.close()


@pytest.fixture
def settings(opensearch_address: str, ollama_address: str, tmp_path: Path) -> Iterator[RagSettings]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield RagSettings(
        opensearch_host=opensearch_address,
        opensearch_index=name,
        ollama_base_url=ollama_address,
        ollama_model="smollm2:135m",
        ollama_fallback_model="smollm2:135m",
        ollama_timeout_seconds=300,
        answer_max_tokens=60,
        answer_context_tokens=600,
        embedding_model_name="all-minilm",
        ingestion_input_dir=tmp_path / "raw",
        ledger_path=tmp_path / "ledger" / "l.sqlite3",
    )
    drop(f"{opensearch_address}/{name}-*")


def drop(address: str) -> None:
    """Delete the indices at this address."""
    request = urllib.request.Request(address, method="DELETE")  # noqa: S310 - our own store
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


@pytest.fixture
def stack(settings: RagSettings) -> Iterator[Stack]:
    with contextlib.closing(Stack(settings)) as one:
        one.ingestor.prepare()
        yield one


@pytest.fixture
def manual(stack: Stack, make_pdf: MakePdf) -> Document:
    document = stack.upload("kestrel.pdf", make_pdf(PAGES).read_bytes())
    stack.work()
    return stack.ledger.get(document.id)
