"""What the API accepts and returns besides an answer's text; no store is reached."""

import asyncio
from http import HTTPStatus

import pytest
from fastapi.testclient import TestClient

from rag_app import metrics
from rag_app.api.questions import _Question, log_answer
from rag_app.schemas.questions import AskRequest, FiltersIn, SearchResult
from rag_core.models import (
    Answer,
    DocumentKind,
    DocumentState,
    Explain,
    Passage,
    Question,
    SentenceSupport,
    Timings,
    Tokens,
)

PASSAGE = Passage(
    document_id="d1",
    document="pump.md",
    title="Pump",
    page_start=1,
    page_end=1,
    text="The oil is changed every spring.",
    score=0.03,
)
ANSWER = Answer(
    answer="In spring, says the secret page.",
    model="small",
    sentences=(SentenceSupport(text="In spring."), SentenceSupport(text="Oil.", citations=(1,))),
    tokens=Tokens(prompt=100, answer=7),
    timings=Timings(retrieve=0.1, first_token=0.4, total=1.0),
    explain=Explain(
        query="confidential question",
        rewritten=True,
        routing="chosen by the asker",
        needed=0.3,
        nearest=0.6,
        words={"confidential": 2},
        passages=(),
    ),
)


@pytest.mark.parametrize(
    "filters",
    [
        {"types": ["picture"]},
        {"added_from": "yesterday"},
        {"added_from": "2026-01-01T00:00:00"},
        {"documents": "d1"},
        {"colour": "red"},
    ],
)
@pytest.mark.parametrize("path", ["/api/search", "/api/ask"])
def test_a_filter_that_means_nothing_is_refused(
    api: TestClient, path: str, filters: dict[str, object]
) -> None:
    reply = api.post(path, json={"query": "x", "question": "x", "filters": filters})
    assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY
    assert "filters" in reply.json()["error"]["message"]


def test_filters_reach_the_search_as_they_are_meant() -> None:
    meant = FiltersIn.model_validate(
        {"documents": ["a"], "types": ["pdf"], "added_from": "2026-01-01T00:00:00Z"}
    ).meant()
    assert (meant.documents, meant.kinds, meant.given) == (("a",), (DocumentKind.PDF,), True)
    assert not FiltersIn().meant().given


def test_words_of_the_question_are_pointed_at() -> None:
    result = SearchResult.of(PASSAGE, "When was the oil changed?")
    assert [PASSAGE.text[a:b] for a, b in result.highlights] == ["oil", "changed"]


def test_a_deleted_conversation_is_reported_before_queueing(api: TestClient) -> None:
    reply = api.post("/api/ask", json={"question": "x", "conversation": "gone"})
    assert reply.status_code == HTTPStatus.NOT_FOUND
    assert reply.json()["error"]["code"] == "conversation_not_found"


def test_an_answer_is_not_lost_with_its_conversation(api: TestClient) -> None:
    """Somebody deletes the conversation while the model writes."""
    backend = api.app.state.backend  # type: ignore[attr-defined]
    body = AskRequest(question="When is the oil changed?", conversation="gone")
    question = Question(text=body.question)
    asked = _Question(body, backend, question, backend.enter(question))
    reply = asyncio.run(asked.reply_for(ANSWER))
    assert (reply.answer, reply.exchange) == (ANSWER.answer, None)


def test_a_conversation_is_kept_listed_rated_and_deleted(api: TestClient) -> None:
    made = api.post("/api/conversations", json={"title": "Pumps"}).json()
    store = api.app.state.backend.conversations  # type: ignore[attr-defined]
    exchange = store.add(made["id"], "When is the oil changed?", ANSWER)
    assert [one["id"] for one in api.get("/api/conversations?search=oil").json()["conversations"]] == [
        made["id"]
    ]
    rated = api.put(f"/api/exchanges/{exchange.id}/feedback", json={"feedback": "up"})
    assert rated.status_code == HTTPStatus.NO_CONTENT
    kept = api.get(f"/api/conversations/{made['id']}").json()["exchanges"][0]
    assert (kept["feedback"], kept["answer"]["exchange"]) == ("up", exchange.id)
    assert kept["answer"]["sentences"][0] == {"text": "In spring.", "citations": []}
    exported = api.get(f"/api/conversations/{made['id']}/export")
    assert exported.headers["content-type"].startswith("text/markdown")
    assert "When is the oil changed?" in exported.text
    assert api.get("/api/insights?days=1").json()["days"][0]["up"] == 1
    assert api.delete(f"/api/conversations/{made['id']}").status_code == HTTPStatus.NO_CONTENT
    assert api.get(f"/api/conversations/{made['id']}").status_code == HTTPStatus.NOT_FOUND
    assert api.delete(f"/api/conversations/{made['id']}").status_code == HTTPStatus.NOT_FOUND


@pytest.mark.parametrize("path", ["/metrics", "/api/metrics"])
def test_figures_are_for_those_who_have_the_token(api: TestClient, client: TestClient, path: str) -> None:
    assert client.get(path).status_code == HTTPStatus.UNAUTHORIZED
    response = api.get(path)
    assert response.status_code == HTTPStatus.OK
    assert 'ragdock_documents{state="ready"} 0.0' in response.text
    assert "ragdock_questions_in_line 0.0" in response.text


def test_an_answer_is_counted_by_model_reason_step_and_support() -> None:
    before = _figures()
    metrics.answered(ANSWER)
    metrics.answered(ANSWER.model_copy(update={"cached": True}))
    after = _figures()
    grown = {name: after[name] - before.get(name, 0.0) for name in after if after[name] != before.get(name)}
    assert grown['ragdock_answers_total{cached="false",model="small",reason="none"}'] == 1
    assert grown['ragdock_answers_total{cached="true",model="small",reason="none"}'] == 1
    assert grown['ragdock_answer_tokens_total{kind="prompt",model="small"}'] == 100
    assert grown['ragdock_answer_sentences_total{supported="false"}'] == 1
    assert grown['ragdock_answer_seconds_count{step="total"}'] == 2


def test_the_log_line_holds_figures_and_no_text(capsys: pytest.CaptureFixture[str]) -> None:
    log_answer(ANSWER)
    line = capsys.readouterr().out
    assert "answered" in line
    assert "nearest" in line
    for secret in ("spring", "confidential", "Oil"):
        assert secret not in line


def _figures() -> dict[str, float]:
    none = dict.fromkeys(DocumentState, 0)
    message = metrics.exposition(documents=none, partly_read=2, words_lost=7, in_line=0).decode()
    assert "ragdock_documents_partly_read 2.0" in message
    assert "ragdock_ingested_words_lost_total 7.0" in message
    lines = [line.rsplit(" ", 1) for line in message.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}
