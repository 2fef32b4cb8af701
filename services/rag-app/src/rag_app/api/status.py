"""Health for machines, status for the operator."""

from typing import Annotated

from fastapi import APIRouter, Depends
from starlette.concurrency import run_in_threadpool

from rag_app import monitor
from rag_app.access import require_user
from rag_app.api.documents import SHOWN_STATES, backend_of
from rag_app.backend import Backend
from rag_app.release import serving_release
from rag_app.schemas.status import Alive, Component, Light, RemoteModelUse, Status
from rag_core.models import ComponentHealth

router = APIRouter(prefix="/api", tags=["status"])


@router.get("/health")
async def health() -> Alive:
    """Public: whether this process is alive. It does not depend on the index or the models."""
    return Alive()


@router.get("/light")
async def light(backend: Annotated[Backend, Depends(backend_of)]) -> Light:
    """Public: whether questions can be answered, without details. Checked at most every 10 seconds."""
    return Light(light=(await backend.monitor.reading()).light)


@router.get("/status", dependencies=[Depends(require_user)])
async def status(backend: Annotated[Backend, Depends(backend_of)]) -> Status:
    """Detailed status: release, documents by state, index, models."""
    reading = await backend.monitor.reading()
    counts = await run_in_threadpool(backend.ledger.counts)
    remote_embedder = backend.settings.remote(backend.settings.embedding_model_name) is not None
    can_embed = reading.report.ollama.ok or remote_embedder
    release = await run_in_threadpool(serving_release, backend.settings.release_file)
    return Status.model_validate(
        {
            "release": release.id,
            "version": release.version,
            "status": reading.light,
            "documents": {state.value: counts[state] for state in SHOWN_STATES},
            "ingestion": await run_in_threadpool(backend.ledger.ingestion),
            "opensearch": _component(reading.report.opensearch, reading.opensearch),
            "ollama": _component(reading.report.ollama, reading.ollama),
            "models": reading.report.models,
            "remote_models": await run_in_threadpool(_remote, backend, reading),
            "index_contract": await run_in_threadpool(backend.contract) if can_embed else None,
            "questions_in_line": backend.routes.length,
        }
    )


def _remote(backend: Backend, reading: monitor.Reading) -> list[RemoteModelUse]:
    models = backend.settings.remote_models
    used = backend.remote_tokens.today() if models else {}
    return [
        RemoteModelUse(
            name=one.name,
            host=one.host,
            reachable=reading.remote == "green",
            tokens_today=used.get(one.name, 0),
            tokens_per_day=one.tokens_per_day or None,
        )
        for one in models
    ]


def _component(seen: ComponentHealth, light: monitor.Light) -> Component:
    return Component(state=light, latency_ms=seen.latency_ms, detail=seen.detail)
