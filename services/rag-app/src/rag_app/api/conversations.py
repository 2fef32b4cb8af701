"""Stored conversations, and ratings of answers."""

from http import HTTPStatus
from typing import Annotated

from fastapi import APIRouter, Depends, Query
from fastapi.responses import PlainTextResponse

from rag_app.access import require_user
from rag_app.api.documents import backend_of
from rag_app.backend import Backend
from rag_app.errors import ErrorBody
from rag_app.schemas.conversations import (
    ConversationList,
    ConversationOut,
    ConversationStart,
    ConversationSummary,
    FeedbackIn,
    Insights,
)
from rag_app.ui.export import markdown

router = APIRouter(
    prefix="/api",
    tags=["conversations"],
    dependencies=[Depends(require_user)],
    responses={
        HTTPStatus.UNAUTHORIZED.value: {"model": ErrorBody},
        HTTPStatus.NOT_FOUND.value: {"model": ErrorBody},
    },
)
_Stores = Annotated[Backend, Depends(backend_of)]


@router.get("/conversations")
def list_conversations(
    backend: _Stores,
    search: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 50,
) -> ConversationList:
    """List conversations, newest first; `search` matches titles and questions."""
    found = backend.conversations.list(limit=limit, search=search)
    return ConversationList(conversations=[ConversationSummary.of(one) for one in found])


@router.post("/conversations", status_code=HTTPStatus.CREATED)
def start_conversation(body: ConversationStart, backend: _Stores) -> ConversationSummary:
    """Start a conversation; send its id with each question to /api/ask."""
    return ConversationSummary.of(backend.conversations.start(body.title))


@router.get("/conversations/{conversation_id}")
def get_conversation(conversation_id: str, backend: _Stores) -> ConversationOut:
    """Return all questions and answers of a conversation, oldest first."""
    return ConversationOut.of(backend.conversations.get(conversation_id))


@router.get(
    "/conversations/{conversation_id}/export",
    response_class=PlainTextResponse,
    responses={HTTPStatus.OK.value: {"content": {"text/markdown": {}}}},
)
def export_conversation(conversation_id: str, backend: _Stores) -> PlainTextResponse:
    """Export the whole conversation as Markdown, with its sources."""
    return PlainTextResponse(
        markdown(backend.conversations.get(conversation_id)), media_type="text/markdown; charset=utf-8"
    )


@router.delete("/conversations/{conversation_id}", status_code=HTTPStatus.NO_CONTENT)
def delete_conversation(conversation_id: str, backend: _Stores) -> None:
    """Delete a conversation with its answers."""
    backend.conversations.get(conversation_id)
    backend.conversations.delete(conversation_id)


@router.put("/exchanges/{exchange_id}/feedback", status_code=HTTPStatus.NO_CONTENT)
def rate(exchange_id: str, body: FeedbackIn, backend: _Stores) -> None:
    """Rate an answer; null removes the rating."""
    backend.conversations.rate(exchange_id, body.feedback)


@router.get("/insights")
def insights(backend: _Stores, days: Annotated[int, Query(ge=1, le=366)] = 30) -> Insights:
    """Return questions, support, latency and feedback for each of the last days (UTC), oldest first."""
    return Insights(days=list(backend.conversations.days(days)))
