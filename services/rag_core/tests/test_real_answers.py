"""From file to cited answer with a real OpenSearch and a real Ollama."""

from __future__ import annotations

import contextlib
import json
import socket
import time
import urllib.request
from collections.abc import Generator, Iterator, Sequence

import pytest

from rag_core import factory, health
from rag_core.answering.chat import Chat, Ending
from rag_core.answering.threads import Threads
from rag_core.errors import ModelMissing
from rag_core.models import Document, DocumentState, Done, Question, Retrieved, Switched, Token
from rag_core.settings import RagSettings
from services.rag_core.tests.real_stack import Stack
from services.rag_core.tests.real_stack import manual as manual
from services.rag_core.tests.real_stack import settings as settings
from services.rag_core.tests.real_stack import stack as stack

pytestmark = [pytest.mark.real, pytest.mark.clock]
STAND_IN = "stand-in"


def test_question_in_other_words_finds_the_page(stack: Stack, manual: Document) -> None:
    assert (manual.state, manual.pages) == (DocumentState.READY, 4)
    assert stack.index.count(manual.id) == manual.chunks > 0
    passage = stack.retriever.search("How hot may the bearings get?", top_k=1)[0]
    assert passage.document == "kestrel.pdf"
    assert passage.page_start <= 2 <= passage.page_end
    assert passage.vector_rank == 1


@pytest.mark.parametrize("written", ["--max-trip-delay", "/etc/kestrel/trip.conf"])
def test_identifier_is_found_as_it_is_written(stack: Stack, written: str) -> None:
    texts = [
        f"The option --max-{word}-delay is kept in /etc/kestrel/{word}.conf."
        for word in ("start", "trip", "stop")
    ]
    for number, text in enumerate(texts):
        stack.upload(f"{number}.txt", text.encode())
    stack.work()
    assert stack.retriever.search(written, top_k=1)[0].document == "1.txt"


def test_a_question_that_names_a_file_is_answered_from_its_beginning(stack: Stack, manual: Document) -> None:
    other = "# Bearings\n\nThe Kestrel turbine trips above 85 degrees, as kestrel.pdf tells.\n"
    stack.upload("notes.md", other.encode())
    stack.work()
    passage = stack.retriever.search("Summarize kestrel.pdf", top_k=1)[0]
    assert (passage.document, passage.page_start) == ("kestrel.pdf", 1)
    verdict = stack.answerer.judge("Summarize kestrel.pdf", [])
    assert verdict.relevant, "a document that is named is never too far"
    within = stack.retriever.search("What does kestrel.pdf say of fish?", top_k=1)[0]
    assert (within.document, within.page_end) == ("kestrel.pdf", 4)


def test_rules_that_differ_by_a_not_are_both_shown(stack: Stack) -> None:
    rule = "Guests sign the book at the door. Dogs are {} in the reading room. Lamps are put out at ten."
    for hall, text in (("north", "allowed"), ("south", "not allowed")):
        stack.upload(f"rules-{hall}.md", rule.format(text).encode())
    stack.work()
    found = stack.retriever.search("In which hall are dogs not allowed?")
    assert {passage.document for passage in found} == {"rules-north.md", "rules-south.md"}


def test_one_text_in_many_files_is_shown_once_with_the_name_of_each(stack: Stack) -> None:
    for number in range(3):
        stack.upload(f"copy-{number}.txt", b"The lamp is cleaned with vinegar." + b"\n" * number)
    stack.work()
    [passage] = stack.retriever.search("How is the lamp cleaned?")
    assert {passage.document, *passage.also_in} == {"copy-0.txt", "copy-1.txt", "copy-2.txt"}


def test_answer_streams_and_cites_the_page(stack: Stack, manual: Document) -> None:
    events = list(stack.answerer.ask(Question(text="What temperature must the bearings stay below?")))
    assert isinstance(events[0], Retrieved)
    assert any(isinstance(event, Token) for event in events)
    last = events[-1]
    assert isinstance(last, Done)
    answer = last.answer
    assert answer.model == "smollm2:135m"
    assert not answer.degraded
    assert answer.timings.first_token is not None
    assert {s for sentence in answer.sentences for s in sentence.citations} == {
        c.number for c in answer.citations
    }
    assert all(c.document_id == manual.id for c in answer.citations)


def test_question_beyond_the_documents_is_answered_by_saying_so(stack: Stack, manual: Document) -> None:
    answer = stack.answerer.answer(Question(text="Who won the football world cup in 2014?"))
    assert answer.reason == "no_relevant_passage"
    assert answer.citations == ()
    assert answer.passages, "the nearest passages are offered"


def test_empty_index_says_so_without_a_model(stack: Stack) -> None:
    answer = stack.answerer.answer(Question(text="Anything?"))
    assert (answer.reason, answer.passages) == ("no_relevant_passage", ())


def test_missing_model_falls_back_and_no_model_gives_the_passages(stack: Stack, manual: Document) -> None:
    question = "What temperature must the bearings stay below?"
    fallback = Stack(stack.settings.model_copy(update={"ollama_model": "missing:1b"}))
    with contextlib.closing(fallback):
        events = list(fallback.answerer.ask(Question(text=question)))
        assert any(isinstance(e, Switched) and e.model == "smollm2:135m" for e in events)
        assert isinstance(events[-1], Done)
        assert (events[-1].answer.degraded, events[-1].answer.reason) in {
            (True, "fallback_model"),
            (True, "cut_by_length"),
        }
    none = Stack(
        stack.settings.model_copy(update={"ollama_model": "missing:1b", "ollama_fallback_model": "gone:1b"})
    )
    with contextlib.closing(none):
        answer = none.answerer.answer(Question(text=question))
    assert (answer.degraded, answer.reason, answer.model) == (True, "no_model", None)
    assert answer.citations
    assert "85 degrees" in answer.answer


def test_an_embedder_that_hangs_costs_no_more_than_the_wait_that_was_chosen(
    stack: Stack, manual: Document
) -> None:
    """A user who chose three seconds does not wait for the embedder's own minute."""
    question = "What temperature must the bearings stay below?"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts connections, sends nothing
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with contextlib.closing(
            Stack(stack.settings.model_copy(update={"ollama_base_url": address}))
        ) as hanging:
            began = time.monotonic()
            *_, done = hanging.answerer.ask(Question(text=question, timeout=3))
            waited = time.monotonic() - began
    assert isinstance(done, Done)
    assert (done.answer.reason, done.answer.model) == ("no_model", None)
    assert "85 degrees" in done.answer.answer
    assert waited < stack.settings.embedding_timeout / 2


class Impatient(Chat):
    """Gives the first model almost no time."""

    def stream(
        self, model: str, messages: Sequence[dict[str, str]], *, timeout: float | None = None
    ) -> Generator[str, None, Ending]:
        return (yield from super().stream(model, messages, timeout=timeout if model == STAND_IN else 0.01))


def test_a_model_that_takes_too_long_is_stood_in_for(stack: Stack, manual: Document) -> None:
    settings = stack.settings.model_copy(update={"ollama_fallback_model": STAND_IN})
    address = settings.ollama_base_url
    body = json.dumps({"source": "smollm2:135m", "destination": STAND_IN}).encode()
    urllib.request.urlopen(f"{address}/api/copy", data=body, timeout=60).close()  # noqa: S310
    slow = Stack(settings)
    with contextlib.closing(slow):
        slow.answerer._chat.close()
        slow.answerer._chat = Impatient(
            address=address, timeout=300, num_ctx=4096, max_tokens=60, threads=Threads([1])
        )
        events = list(slow.answerer.ask(Question(text="What temperature must the bearings stay below?")))
    assert [e.model for e in events if isinstance(e, Switched)] == [STAND_IN]
    assert isinstance(events[-1], Done)
    answer = events[-1].answer
    assert (answer.model, answer.degraded) == (STAND_IN, True)


def test_an_answer_says_what_cut_it(stack: Stack) -> None:
    address = stack.settings.ollama_base_url
    text = [{"role": "user", "content": "Write a long story of a lighthouse, in many chapters."}]

    def ending(most: int, timeout: float) -> Ending:
        chat = Chat(address=address, timeout=timeout, num_ctx=4096, max_tokens=most, threads=Threads([1]))
        ended: list[Ending] = []

        def whole() -> Iterator[str]:
            ended.append((yield from chat.stream("smollm2:135m", text)))

        with contextlib.closing(chat):
            list(whole())
        return ended[0]

    short = ending(16, 300)
    assert (short.cut, short.answer_tokens) == ("cut_by_length", 16)
    # The model and its prompt are warm now: the first word comes at once, the last much later.
    assert ending(2000, 1.0).cut == "cut_by_time"


def test_without_ollama_the_words_still_find_the_passage(stack: Stack, manual: Document) -> None:
    """Without Ollama there is a degraded answer from BM25 alone, never an error."""
    away = Stack(stack.settings.model_copy(update={"ollama_base_url": "http://127.0.0.1:9"}))
    with contextlib.closing(away):
        answer = away.answerer.answer(Question(text="What temperature must the bearings stay below?"))
    assert (answer.degraded, answer.reason) == (True, "no_model")
    assert "85 degrees" in answer.answer
    assert answer.passages[0].vector_rank is None


def test_health_names_the_missing_model(settings: RagSettings) -> None:
    assert health.check(settings).ok
    report = health.check(settings.model_copy(update={"ollama_model": "missing:1b"}))
    assert report.models == {"missing:1b": False, "smollm2:135m": True, "all-minilm": True}
    assert not report.ok
    assert not health.check(settings.model_copy(update={"ollama_large_model": "large:9b"})).ok
    missing = settings.model_copy(update={"embedding_model_name": "gone"})
    embedder = factory.build_embedder(missing)
    with contextlib.closing(embedder), pytest.raises(ModelMissing, match="ragdock_models"):
        embedder.embed(["x"])
