"""Questions: search without a model, answers with one."""

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Annotated, Any

import structlog
from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from rag_app import errors, metrics
from rag_app.access import require_user
from rag_app.api.documents import backend_of
from rag_app.backend import Backend
from rag_app.errors import ClientGone
from rag_app.gate import Ticket, Waiting
from rag_app.schemas.questions import AskAnswer, AskRequest, SearchRequest, SearchResult, SearchResults
from rag_core.errors import RagError
from rag_core.ledger.conversations import ConversationNotFound
from rag_core.models import Answer, AnswerEvent, Done, Question, Reading, Retrieved, Switched, Token

_TURNS = 10
"""Stored turns read for a question; the answerer keeps those that fit the model's context window."""

_log = structlog.stdlib.get_logger("rag_app.ask")

router = APIRouter(
    prefix="/api",
    tags=["questions"],
    dependencies=[Depends(require_user)],
    responses={
        HTTPStatus.UNAUTHORIZED.value: {"model": errors.ErrorBody},
        HTTPStatus.SERVICE_UNAVAILABLE.value: {
            "model": errors.ErrorBody,
            "description": "The queue is full or a dependency is down; Retry-After says when to try again",
        },
    },
)


@router.post("/search")
async def search(body: SearchRequest, backend: Annotated[Backend, Depends(backend_of)]) -> SearchResults:
    """Return the matching passages, best first."""
    found = await run_in_threadpool(
        partial(backend.retriever.search, body.query, body.top_k, filters=body.filters.meant())
    )
    return SearchResults(results=[SearchResult.of(passage, body.query) for passage in found])


@router.post(
    "/ask",
    response_model=AskAnswer,
    responses={
        HTTPStatus.OK.value: {
            "description": "With `Accept: text/event-stream`: the events retrieved {query, passages, quotes},"
            " waiting {ahead, seconds}, reading {model, passages, seconds}, token {text}, switched {model,"
            " reason, host}, then done (the JSON answer) or error {code, message}. Tokens are a preview:"
            " done holds the checked answer.",
            "content": {"text/event-stream": {}},
        }
    },
)
async def ask(
    body: AskRequest, request: Request, backend: Annotated[Backend, Depends(backend_of)]
) -> Response:
    """Answer a question from the documents, citing document and page."""
    # A deleted conversation and a full queue are reported before an answer starts.
    asked = _question(body, await run_in_threadpool(_history, body, backend))
    ticket = backend.enter(asked)
    question = _Question(body, backend, asked, ticket)
    if "text/event-stream" in request.headers.get("accept", ""):
        return _TicketedStream(ticket, _stream(question), ping=15)
    async with ticket:
        answer = await _unless_gone(request, _whole(question))
    return JSONResponse(answer.model_dump(mode="json"))


@dataclass(frozen=True)
class _Question:
    """One question, its request and its place in a queue."""

    body: AskRequest
    backend: Backend
    asked: Question
    ticket: Ticket

    def events(self) -> AsyncGenerator[AnswerEvent | Waiting]:
        return self.backend.ask(self.asked, self.ticket)

    async def reply_for(self, answer: Answer) -> AskAnswer:
        """Log, count and store the answer."""
        log_answer(answer)
        if self.body.conversation is None:
            return AskAnswer.of(answer)
        try:
            exchange = await run_in_threadpool(
                self.backend.conversations.add, self.body.conversation, self.body.question, answer
            )
        except ConversationNotFound:  # deleted while the model wrote; the answer is not lost with it
            return AskAnswer.of(answer)
        return AskAnswer.of(answer, exchange.id)


def _question(body: AskRequest, history: list[tuple[str, str]]) -> Question:
    return Question(
        text=body.question,
        model=body.model,
        top_k=body.top_k,
        timeout=body.timeout,
        history=tuple(history),
        filters=body.filters.meant(),
        fresh=body.fresh,
    )


def _history(body: AskRequest, backend: Backend) -> list[tuple[str, str]]:
    given = [(turn.question, turn.answer) for turn in body.history]
    if body.conversation is None:
        return given
    stored = backend.conversations.get(body.conversation).exchanges
    return [*((one.question, one.answer.answer) for one in stored[-_TURNS:]), *given]


class _TicketedStream(EventSourceResponse):
    """Frees the place in the queue even when the client leaves before the first event."""

    def __init__(self, ticket: Ticket, content: AsyncIterator[ServerSentEvent], *, ping: int) -> None:
        super().__init__(content, ping=ping)
        self._ticket = ticket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._ticket:
            await super().__call__(scope, receive, send)


async def _whole(question: _Question) -> AskAnswer:
    async with aclosing(question.events()) as events:
        async for event in events:
            if isinstance(event, Done):
                return await question.reply_for(event.answer)
    raise RagError("The answer ended without a result.", code="no_result")


async def _unless_gone(request: Request, answering: Coroutine[Any, Any, AskAnswer]) -> AskAnswer:
    """Stop answering when the client disconnects, so that the next question in the queue is served."""
    answer = asyncio.create_task(answering)
    gone = asyncio.create_task(_hung_up(request))
    try:
        await asyncio.wait({answer, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            answer.cancel()
            raise ClientGone
        return answer.result()
    finally:
        gone.cancel()
        await asyncio.wait({answer})


async def _hung_up(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _stream(question: _Question) -> AsyncIterator[ServerSentEvent]:
    try:
        async with aclosing(question.events()) as events:
            async for event in events:
                if isinstance(event, Done):
                    reply = await question.reply_for(event.answer)
                    yield ServerSentEvent(event="done", data=reply.model_dump_json())
                else:
                    yield _as_sse(event)
    except RagError as error:
        yield _sse("error", {"code": error.code, "message": error.message})
    except Exception:  # noqa: BLE001 - the stream has started: this is the only way to report it
        _log.exception("unexpected_error", path="/api/ask")
        yield _sse("error", {"code": "internal", "message": "Something went wrong on our side."})


def _as_sse(event: Retrieved | Waiting | Reading | Token | Switched) -> ServerSentEvent:
    match event:
        case Retrieved(passages=passages, query=query):
            data: dict[str, Any] = event.model_dump(include={"query", "quotes"})
            data["passages"] = [SearchResult.of(passage, query).model_dump() for passage in passages]
            return _sse("retrieved", data)
        case Waiting(ahead=ahead, seconds=seconds):
            return _sse("waiting", {"ahead": ahead, "seconds": seconds})
        case Token(text=text):
            return _sse("token", {"text": text})
        case Reading():
            return _sse("reading", event.model_dump())
        case Switched():
            return _sse("switched", event.model_dump())


def _sse(event: str, data: dict[str, Any]) -> ServerSentEvent:
    return ServerSentEvent(event=event, data=json.dumps(data, ensure_ascii=False))


def log_answer(answer: Answer) -> None:
    """Log one line of figures for each answer; never any text of the question, answer or passages."""
    why = answer.explain
    metrics.answered(answer)
    _log.info(
        "answered",
        model=answer.model,
        host=answer.host,
        routing=why.routing if why else None,
        degraded=answer.degraded,
        reason=answer.reason,
        cached=answer.cached,
        rewritten=why.rewritten if why else None,
        citations=len(answer.citations),
        sentences=len(answer.sentences),
        unsupported=sum(1 for sentence in answer.sentences if not sentence.citations),
        passages=[
            {
                "document_id": one.document_id,
                "bm25_rank": one.bm25_rank,
                "vector_rank": one.vector_rank,
                "similarity": one.similarity,
                "score": one.score,
                "given": one.given,
            }
            for one in (why.passages if why else ())
        ],
        needed=why.needed if why else None,
        nearest=why.nearest if why else None,
        tokens=answer.tokens.model_dump() if answer.tokens else None,
        seconds=answer.timings.model_dump(),
    )
