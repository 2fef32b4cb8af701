"""The index contract that /api/status reports is the one that the worker writes into an index."""

import contextlib
import uuid
from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from rag_app.settings import AppSettings
from rag_core import factory

from .conftest import TOKEN, build, visitor

pytestmark = pytest.mark.real


def test_the_contract_in_the_status_is_the_one_of_the_index(
    opensearch_address: str, ollama_address: str, make_settings: Callable[..., AppSettings]
) -> None:
    settings = make_settings(
        opensearch_host=opensearch_address,
        opensearch_index=f"test-{uuid.uuid4().hex[:8]}",
        ollama_base_url=ollama_address,
        embedding_model_name="all-minilm",
        embedding_timeout=300,
    )
    with (
        contextlib.closing(factory.build_ledger(settings)) as ledger,
        contextlib.closing(factory.build_ingestor(settings, ledger, "test")) as ingestor,
    ):
        ingestor.prepare()
    stored = factory.build_index(settings).stored_contract()
    assert stored is not None
    assert (stored.model, stored.dimension, len(stored.digest)) == ("all-minilm", 384, 64)
    program: TestClient = visitor(build(settings))
    program.headers["Authorization"] = f"Bearer {TOKEN}"
    assert program.get("/api/status").json()["index_contract"] == stored.model_dump()
