"""Checks, with a short timeout, whether the stores and models answer."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing

import httpx
import ollama

from rag_core import factory
from rag_core.errors import RagError, RemoteUnavailable
from rag_core.index.embed import CLIENT_ERRORS, translated
from rag_core.models import ComponentHealth, HealthReport
from rag_core.settings import RagSettings


def check(settings: RagSettings, timeout: float = 5.0) -> HealthReport:
    """Query OpenSearch's status and Ollama's models; never raises for a dependency that is down.

    For remote models only their proxy is checked: a request to a model itself costs money.
    """
    configured = dict.fromkeys(
        name for name in (*settings.chat_models, settings.embedding_model_name) if name
    )
    remote = [name for name in configured if settings.remote(name) is not None]
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

    def proxy() -> str:
        try:
            # Any response will do: the proxy serves nothing at this path.
            httpx.get(settings.remote_base_url, timeout=timeout, trust_env=False)
        except httpx.HTTPError as error:
            raise RemoteUnavailable(
                f"the proxy to remote models does not answer at {settings.remote_base_url};"
                " playbooks/status.yml shows whether it runs"
            ) from error
        return ", ".join(dict.fromkeys(settings.hosts[name] for name in remote))

    search, chat = _timed(opensearch), _timed(models)
    way = _timed(proxy) if remote else None
    there = {name: way is not None and way.ok if name in remote else name in present for name in configured}
    return HealthReport(
        opensearch=search,
        ollama=chat,
        models=there,
        remote=way,
        can_write=any(there[name] for name in settings.chat_models),
    )


def _timed(ask: Callable[[], str]) -> ComponentHealth:
    start = time.monotonic()
    try:
        detail = ask()
    except RagError as error:
        return ComponentHealth(ok=False, detail=error.message)
    return ComponentHealth(ok=True, latency_ms=round((time.monotonic() - start) * 1000, 1), detail=detail)
