"""Wherever a remote model is named, users see that text leaves this server; usage is shown and counted."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

import gradio as gr
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rag_app import metrics
from rag_app.api.questions import _as_sse
from rag_app.backend import Backend
from rag_app.monitor import HealthMonitor, Reading
from rag_app.schemas.questions import AskAnswer
from rag_app.settings import AppSettings
from rag_app.ui import ask, choices, export, library, render, status, why
from rag_core.ledger.conversations import Conversation, Exchange
from rag_core.ledger.remote_tokens import ANSWER, EMBED, PROMPT
from rag_core.models import Answer, ComponentHealth, HealthReport, Passage, Switched
from rag_core.remote.model import RemoteModel

from .test_questions_api import ANSWER as LOCAL

T = TypeVar("T")
HOST = "models.example.org"
BIG = RemoteModel(name="big", slug="big", model="gpt", host=HOST, tokens_per_day=5000)
VECTORS = RemoteModel(name="vectors", slug="vectors", model="text", host="<b>.example.org")
OUTSIDE = f"big at {HOST}, outside this server"
REMOTE = LOCAL.model_copy(update={"model": "big", "host": HOST})
FAILED = LOCAL.model_copy(
    update={
        "degraded": True,
        "reason": "fallback_model",
        "remarks": (f"{HOST} refuses the key <or> the account of 'big'.",),
    }
)


@pytest.fixture
def settings(make_settings: Callable[..., AppSettings]) -> AppSettings:
    return make_settings(
        ollama_model="big",
        ollama_fallback_model="small",
        embedding_model_name="vectors",
        remote_models=(BIG, VECTORS),
    )


@pytest.fixture
def backend(settings: AppSettings) -> Backend:
    """A backend whose remote models have used tokens today."""
    backend = Backend.of(settings)
    with backend.remote_tokens.allowed(BIG, 100) as spent:
        spent[PROMPT] += 1200
        spent[ANSWER] += 34
    with backend.remote_tokens.allowed(VECTORS, 100) as spent:
        spent[EMBED] += 7
    return backend


def reading(way: bool = True) -> Reading:
    """The monitor's reading of a report."""
    report = HealthReport(
        opensearch=ComponentHealth(ok=True, latency_ms=5),
        ollama=ComponentHealth(ok=True, latency_ms=5),
        models={"big": way, "small": True, "vectors": way},
        remote=ComponentHealth(ok=way, latency_ms=5 if way else None, detail=HOST if way else "away"),
    )
    return asyncio.run(HealthMonitor(lambda: report).reading())


def made(component: Callable[[], T]) -> T:
    """Build a component inside a running loop: otherwise Gradio opens its own loops and never closes them."""

    async def inside() -> T:
        with gr.Blocks():
            return component()

    return asyncio.run(inside())


def conversation(answer: Answer) -> Conversation:
    """One question with its answer."""
    now = datetime(2026, 11, 29, tzinfo=UTC)
    asked = Exchange(id="e", conversation_id="c", question="How?", answer=answer, asked_at=now)
    return Conversation(id="c", title="How?", created_at=now, updated_at=now, exchanges=(asked,))


def test_answer_panel_and_export_name_the_host_beside_the_model() -> None:
    found = Passage(document_id="d", document="d", title="", page_start=1, page_end=1, text="Oil.", score=0.1)
    whole = REMOTE.model_copy(update={"passages": (found,), "explain": None})
    assert OUTSIDE in render.answer_markdown(REMOTE)
    assert OUTSIDE in why.panel(whole)
    assert f"big at `{HOST}`, outside this server" in export.markdown(conversation(REMOTE))


def test_answer_of_a_local_model_names_no_host() -> None:
    for shown in (render.answer_markdown(LOCAL), why.panel(LOCAL), export.markdown(conversation(LOCAL))):
        assert "outside this server" not in shown


def test_the_reason_of_a_failure_stands_in_place_of_the_general_note() -> None:
    shown = render.answer_markdown(FAILED)
    assert "refuses the key &lt;or&gt; the account" in shown
    assert render.REASONS["fallback_model"] not in shown
    assert "refuses the key" in export.markdown(conversation(FAILED))
    cut = FAILED.model_copy(update={"reason": "cut_by_length"})
    assert render.REASONS["cut_by_length"] in render.answer_markdown(cut)


def test_the_api_names_host_and_reasons() -> None:
    assert AskAnswer.of(REMOTE).host == HOST
    assert AskAnswer.of(FAILED).remarks == list(FAILED.remarks)
    event = _as_sse(Switched(model="big", reason="away", host=HOST))
    assert f'"host": "{HOST}"' in str(event.data)


def test_choice_of_the_model_names_the_host(backend: Backend) -> None:
    controls = made(lambda: choices.Controls.of(backend))
    assert (OUTSIDE, "big") in controls.model.choices
    assert ("small", "small") in controls.model.choices


def test_pages_say_where_questions_and_documents_go_before_anything_is_sent(settings: AppSettings) -> None:
    assert ask.asked_hosts(settings) == [HOST, "<b>.example.org"]
    welcome = str(made(lambda: ask._chat(ask.asked_hosts(settings))).placeholder)
    assert f"go to {HOST}, &lt;b&gt;.example.org, outside this server" in welcome
    assert "text goes to &lt;b&gt;.example.org, outside this server" in library._remote(settings)


def test_without_remote_models_the_pages_say_nothing_of_them(
    make_settings: Callable[..., AppSettings],
) -> None:
    local = make_settings()
    assert "outside" not in str(made(lambda: ask._chat(ask.asked_hosts(local))).placeholder)
    assert library._remote(local) == ""


def test_status_page_shows_host_use_and_limit(backend: Backend) -> None:
    shown = status.status_html(backend, reading())
    assert OUTSIDE in shown
    assert "1,234 of 5,000 tokens today (UTC)" in shown
    assert "7 tokens today (UTC)" in shown
    assert "Way to remote models" in shown
    assert "not reachable" in status.status_html(backend, reading(way=False))


def test_closed_way_is_amber_and_says_so() -> None:
    closed = reading(way=False)
    assert (closed.light, closed.short) == ("amber", "Remote models away")
    assert "Remote models do not answer" in closed.words
    assert "not installed" not in closed.words
    assert reading().light == "green"


def test_status_api_shows_todays_use(app: FastAPI, api: TestClient, backend: Backend) -> None:
    app.state.backend = backend
    found = api.get("/api/status")
    big, vectors = found.json()["remote_models"]
    assert big == {
        "name": "big",
        "host": HOST,
        "reachable": False,
        "tokens_today": 1234,
        "tokens_per_day": 5000,
    }
    assert (vectors["tokens_today"], vectors["tokens_per_day"]) == (7, None)


def test_metrics_count_tokens_by_model_and_kind(backend: Backend) -> None:
    lines = metrics.exposition(
        documents={},
        in_line=0,
        remote_models=backend.settings.remote_models,
        remote_tokens=backend.remote_tokens.totals(),
    ).decode()
    for line in (
        'ragdock_remote_tokens_total{kind="prompt",model="big"} 1200.0',
        'ragdock_remote_tokens_total{kind="answer",model="big"} 34.0',
        'ragdock_remote_tokens_total{kind="embed",model="vectors"} 7.0',
        'ragdock_remote_budget_tokens{model="big"} 5000.0',
    ):
        assert line in lines
    assert 'ragdock_remote_budget_tokens{model="vectors"}' not in lines
