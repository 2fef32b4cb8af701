"""Conversations, filters, remembered answers and the model's window, with a real OpenSearch and Ollama."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from rag_core import factory
from rag_core.answering.answerer import Answerer
from rag_core.answering.chat import Chat
from rag_core.answering.threads import Threads
from rag_core.ingest.ingestor import Outcome
from rag_core.ledger import Ledger
from rag_core.models import DocumentKind, Filters, Question, Retrieved
from rag_core.retrieval.retriever import Retriever
from rag_core.settings import RagSettings
from services.rag_core.tests.corpora import ingested

pytestmark = pytest.mark.real

PUMP = (
    "# Pump\n\nThe pump of the Kestrel plant runs at 40 bar. Its oil is changed every spring by two people.\n"
)
CRANE = (
    "# Crane\n\nThe crane of the Kestrel plant lifts 40 tonnes. It was built in 1963 by the Alder works.\n"
)
# A page of characters unknown to the embedder: each may be several tokens to a chat model.
NASTY = "The Kestrel log of signs: " + " ".join(["\U0001f600\u6587\U0001d518" * 25, "a1B2c3" * 15] * 8)


@pytest.fixture(scope="module")
def settings(
    opensearch_address: str, ollama_address: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RagSettings]:
    home = tmp_path_factory.mktemp("asking")
    files = {"pump.md": PUMP, "crane.md": CRANE, "nasty.txt": NASTY}
    for name, text in files.items():
        (home / name).write_text(text)
    with ingested(opensearch_address, ollama_address, home, [home / name for name in files]) as given:
        yield given.model_copy(update={"answer_max_tokens": 24, "ollama_num_ctx": 2048})


@pytest.fixture(scope="module")
def ledger(settings: RagSettings) -> Iterator[Ledger]:
    with contextlib.closing(factory.build_ledger(settings)) as one:
        yield one


@pytest.fixture(scope="module")
def retriever(settings: RagSettings, ledger: Ledger) -> Iterator[Retriever]:
    with contextlib.closing(factory.build_retriever(settings, ledger)) as one:
        yield one


@pytest.fixture(scope="module")
def answerer(settings: RagSettings, ledger: Ledger) -> Iterator[Answerer]:
    with contextlib.closing(factory.build_answerer(settings, ledger)) as one:
        yield one


def found(retriever: Retriever, filters: Filters) -> set[str]:
    return {passage.document for passage in retriever.search("Kestrel plant", 10, filters=filters)}


def test_filters_leave_documents_out(retriever: Retriever, ledger: Ledger) -> None:
    ids = {document.name: document.id for document in ledger.list()}
    now = datetime.now(UTC)
    assert found(retriever, Filters()) == {"pump.md", "crane.md", "nasty.txt"}
    assert found(retriever, Filters(documents=(ids["pump.md"],))) == {"pump.md"}
    assert found(retriever, Filters(documents=())) == set()
    assert found(retriever, Filters(kinds=(DocumentKind.TEXT,))) == {"nasty.txt"}
    assert found(retriever, Filters(added_from=now + timedelta(hours=1))) == set()
    assert found(retriever, Filters(added_to=now + timedelta(hours=1))) == set(ids)
    assert found(retriever, Filters(kinds=(DocumentKind.MARKDOWN,), documents=(ids["nasty.txt"],))) == set()


def test_a_filter_by_tag_wants_each_of_them(
    retriever: Retriever, ledger: Ledger, settings: RagSettings
) -> None:
    ids = {document.name: document.id for document in ledger.list()}
    with contextlib.closing(factory.build_tags(settings)) as tags:
        tags.put(ids["pump.md"], ["hall two", "oil"])
        tags.put(ids["crane.md"], ["hall two"])
    assert found(retriever, Filters(tags=("Hall  Two",))) == {"pump.md", "crane.md"}
    assert found(retriever, Filters(tags=("hall two", "oil"))) == {"pump.md"}
    assert found(retriever, Filters(tags=("unknown",))) == set()


def test_what_only_left_out_documents_say_is_not_in_the_documents(answerer: Answerer, ledger: Ledger) -> None:
    ids = {document.name: document.id for document in ledger.list()}
    answer = answerer.answer(Question(text="Alder", filters=Filters(documents=(ids["pump.md"],))))
    assert answer.reason == "no_relevant_passage"
    assert {passage.document for passage in answer.passages} <= {"pump.md"}


def test_a_follow_up_is_searched_with_its_topic(answerer: Answerer) -> None:
    history = (("How much does the crane lift?", "40 tonnes."),)
    answer = answerer.answer(Question(text="And who built it?", history=history))
    assert answer.passages[0].document == "crane.md"
    why = answer.explain
    assert why is not None
    assert (why.rewritten, why.query) == (True, "How much does the crane lift? And who built it?")


def test_an_answer_explains_itself(answerer: Answerer) -> None:
    answer = answerer.answer(Question(text="How often is the pump's oil changed?", fresh=True))
    assert answer.explain is not None
    assert answer.tokens is not None
    best = answer.explain.passages[0]
    assert (best.document, best.given) == ("pump.md", True)
    assert {"oil", "changed"} <= set(best.words)
    assert best.bm25_rank
    assert best.bm25_score
    assert best.vector_rank
    assert answer.tokens.prompt > 50
    assert 0 < answer.tokens.answer <= 24
    assert answer.timings.embed + answer.timings.search <= answer.timings.retrieve
    assert answer.explain.routing


def test_the_same_question_is_answered_from_memory_until_a_document_changes(
    answerer: Answerer, ledger: Ledger, settings: RagSettings
) -> None:
    question = "How many bar has the pump?"
    first = answerer.answer(Question(text=question))
    again = answerer.answer(Question(text=question.upper()))
    assert (first.cached, again.cached) == (False, True)
    assert (again.answer, again.citations) == (first.answer, first.citations)
    assert again.timings.total < first.timings.total
    assert not answerer.answer(Question(text=question, top_k=1)).cached
    assert not answerer.answer(Question(text=question, fresh=True)).cached
    added = factory.build_uploads(settings, ledger).accept("late.txt", io.BytesIO(b"Fish is served at noon."))
    with contextlib.closing(factory.build_ingestor(settings, ledger, "test")) as ingestor:
        ingestor.prepare()
        while ingestor.step().outcome is not Outcome.IDLE:
            pass
    assert not answerer.answer(Question(text=question)).cached
    assert answerer.answer(Question(text=question)).cached
    ledger.request_delete(added.id)
    assert not answerer.answer(Question(text=question)).cached


def test_a_document_deleted_while_a_question_waits_is_neither_quoted_nor_cited(
    answerer: Answerer, ledger: Ledger, settings: RagSettings
) -> None:
    """The search runs first, the model when it is free; documents may change in between."""
    text = b"The lamp of the Kestrel plant burns whale oil. It is filled on Mondays."
    added = factory.build_uploads(settings, ledger).accept("lamp.txt", io.BytesIO(text))
    with contextlib.closing(factory.build_ingestor(settings, ledger, "test")) as ingestor:
        ingestor.prepare()
        while ingestor.step().outcome is not Outcome.IDLE:
            pass
    with contextlib.closing(
        answerer.ask(Question(text="What does the lamp of the Kestrel plant burn?"))
    ) as asked:
        first = next(asked)
        assert isinstance(first, Retrieved)
        assert first.needs_model
        assert first.quotes[0].document == "lamp.txt"
        assert "whale oil" in first.quotes[0].text
        ledger.request_delete(added.id)
        second = next(asked)
    assert isinstance(second, Retrieved)
    assert "lamp.txt" not in {one.document for one in second.passages}
    assert "lamp.txt" not in {one.document for one in second.quotes}


@pytest.mark.parametrize(
    "question",
    [
        "What does the Kestrel log say of " + "\U0001f600 \u6587\u6863 x1Y2 " * 40 + "?",
        "What are the Kestrel signs?",
    ],
)
def test_the_prompt_never_exceeds_the_window(settings: RagSettings, ledger: Ledger, question: str) -> None:
    """Ollama itself counts the tokens, in a window so wide that it truncates nothing."""
    full = settings.model_copy(
        update={"relevance_threshold": -1, "relevance_unknown_raise": 0, "answer_context_tokens": 2048}
    )
    wide = Chat(
        address=settings.ollama_base_url, timeout=300, num_ctx=8192, max_tokens=24, threads=Threads([1])
    )
    history = (("Tell me of the pump " * 20, "It runs " * 100),) * 5
    with contextlib.closing(factory.build_answerer(full, ledger)) as answerer, contextlib.closing(wide):
        answerer._chat.close()
        answerer._chat = wide
        answer = answerer.answer(Question(text=question, history=history, fresh=True))
    assert answer.explain is not None
    assert "nasty.txt" in {passage.document for passage in answer.explain.passages if passage.given}
    assert answer.tokens is not None
    assert 500 < answer.tokens.prompt <= full.ollama_num_ctx - full.answer_max_tokens
