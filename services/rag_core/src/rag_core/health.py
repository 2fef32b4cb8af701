"""Whether the stores and models answer, asked with a short timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import ollama

from rag_core import factory
from rag_core.errors import RagError
from rag_core.index.embed import CLIENT_ERRORS, translated
from rag_core.models import ComponentHealth, HealthReport
from rag_core.settings import RagSettings


def check(settings: RagSettings, timeout: float = 5.0) -> HealthReport:
    """Ask OpenSearch for its status and Ollama for its models; never raises for a dependency that is down."""
    configured = [name for name in dict.fromkeys(_models(settings)) if name]
    present: set[str] = set()

    def opensearch() -> str:
        with closing(factory.build_index(settings)) as index:
            status = index.ping(timeout)
        if status == "red":
            raise RagError(
                "the cluster is red: part of the index is missing; playbooks/restore.yml brings it back"
            )
        return status

    def models() -> str:
        try:
            with closing(ollama.Client(host=settings.ollama_base_url, timeout=timeout)) as client:
                listed = client.list().models
        except CLIENT_ERRORS as error:
            raise translated(error, "any model", settings.ollama_base_url) from error
        for one in listed:
            name = one.model or ""
            present.update({name, name.removesuffix(":latest")})
        return f"{len(listed)} models"

    search, chat = _timed(opensearch), _timed(models)
    return HealthReport(opensearch=search, ollama=chat, models={name: name in present for name in configured})


def _models(settings: RagSettings) -> list[str]:
    """Every model that a question or a document may need; a use that has none is empty."""
    return [
        settings.ollama_model,
        settings.ollama_fallback_model,
        settings.ollama_large_model,
        settings.embedding_model_name,
    ]


def _timed(ask: Callable[[], str]) -> ComponentHealth:
    start = time.monotonic()
    try:
        detail = ask()
    except RagError as error:
        return ComponentHealth(ok=False, detail=error.message)
    return ComponentHealth(ok=True, latency_ms=round((time.monotonic() - start) * 1000, 1), detail=detail)
