"""Metrics for a Prometheus server on the data network, or for a client with the API token."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool

from rag_app import metrics
from rag_app.access import require_user
from rag_app.api.documents import backend_of
from rag_app.backend import Backend
from rag_core.ledger.throughput import WORDS_LOST, WORDS_SEEN

router = APIRouter(tags=["status"], dependencies=[Depends(require_user)])


@router.get("/metrics", include_in_schema=False)
@router.get("/api/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def figures(backend: Annotated[Backend, Depends(backend_of)]) -> Response:
    """Metrics in Prometheus' text format; the edge forwards only /api/metrics."""
    counts = await run_in_threadpool(backend.ledger.counts)
    partly = await run_in_threadpool(backend.ledger.partly_read)
    seen, lost = [await run_in_threadpool(backend.ledger.tallied, name) for name in (WORDS_SEEN, WORDS_LOST)]
    models = backend.settings.remote_models
    text = metrics.exposition(
        documents=counts,
        partly_read=partly,
        in_line=backend.routes.length,
        words_seen=seen,
        words_lost=lost,
        miscounts=backend.answerer.miscounts(),
        remote_models=models,
        remote_tokens=await run_in_threadpool(backend.remote_tokens.totals) if models else {},
    )
    return Response(text, media_type=CONTENT_TYPE_LATEST)
