"""Vectors that no index can hold never leave the embedder of local models either."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from rag_core.errors import OllamaRefused, OllamaUnavailable
from rag_core.index.embed import OllamaEmbedder, flaw
from services.rag_core.tests import store_server
from services.rag_core.tests.store_server import Stores


@pytest.fixture
def stores() -> Stores:
    return Stores()


@pytest.fixture
def embedder(stores: Stores) -> Iterator[OllamaEmbedder]:
    with (
        store_server.serving(stores) as address,
        closing(
            OllamaEmbedder(address=address, model="all-minilm", timeout=5, threads=1, chunk_tokens=240)
        ) as one,
    ):
        yield one


@pytest.mark.parametrize(
    ("vectors", "wrong"),
    [
        ([[1.0, 0.0], [0.0, -1.0]], None),
        ([[1.0, 0.0], [1.0]], "several sizes"),
        ([[], []], "without numbers"),
        ([[1.0, float("nan")]], "not finite"),
        ([[1.0, float("-inf")]], "not finite"),
        ([[1.0], [0.0]], "direction"),
        ([[1e-46]], "direction"),
        ([[1e39]], "direction"),
    ],
)
def test_a_flaw_is_named(vectors: list[list[float]], wrong: str | None) -> None:
    found = flaw(vectors)
    assert found is None if wrong is None else wrong in (found or "")


def test_a_text_without_a_usable_vector_is_refused(embedder: OllamaEmbedder, stores: Stores) -> None:
    stores.embed = lambda texts: (200, {"embeddings": [[0.0, 0.0]] * len(texts)})
    with pytest.raises(OllamaRefused, match="without a direction"):
        embedder.embed(["a"])


@pytest.mark.parametrize("vector", [[], [0.0, 0.0]])
def test_a_model_that_makes_no_usable_vector_at_all_is_waited_for(
    embedder: OllamaEmbedder, stores: Stores, vector: list[float]
) -> None:
    stores.embed = lambda texts: (200, {"embeddings": [vector] * len(texts)})
    with pytest.raises(OllamaUnavailable):
        embedder.contract()
