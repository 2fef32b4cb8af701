"""The prompt is limited to what the model can read in time on this host. Ollama is a fake HTTP server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from rag_core.answering import planning, prompt
from rag_core.answering.answerer import Answerer
from rag_core.answering.chat import Chat
from rag_core.answering.planning import Policy
from rag_core.answering.threads import Threads
from rag_core.index.embed import OllamaEmbedder
from rag_core.models import Answer, Done, Filters, Passage, Question, Reading, Retrieved
from rag_core.retrieval.retriever import Found, Retriever

from .test_window import MODEL, Body, Ollama
from .test_window import ollama as ollama
from .test_window import ollama_server as ollama_server

SECOND = 1_000_000_000
ANSWER = "The lamp of the lighthouse stands forty metres above the sea."
FILLER = [f"Nothing of note is said in sentence number {n} of the page." for n in range(80)]
PASSAGE = Passage(
    document_id="d",
    document="d.pdf",
    title="Lamp",
    page_start=1,
    page_end=1,
    text=" ".join([*FILLER[:40], ANSWER, *FILLER[40:]]),
    score=0.1,
)
QUESTION = "How high does the lamp of the lighthouse stand above the sea?"


class Finding(Retriever):
    """Always finds the one passage; the search itself is not tested here."""

    def __init__(self) -> None:
        self._max_chars = 2000

    def find(
        self,
        query: str,
        top_k: int | None = None,
        *,
        filters: Filters | None = None,
        timeout: float | None = None,
    ) -> Found:
        return Found(passages=(PASSAGE,))

    def generation(self) -> str:
        return "1"


@pytest.fixture
def made(ollama: Ollama, ollama_server: str) -> Iterator[Answerer]:
    sizes = {"num_ctx": 4096, "max_tokens": 64}
    policy = Policy(
        models=(MODEL,),
        large_model="",
        threshold=0.3,
        unknown_raise=0.35,
        context_tokens=2000,
        first_word_seconds=5,
        history_tokens=300,
        remembered=0,
        **sizes,
    )
    embedder = OllamaEmbedder(address=ollama_server, model="e", timeout=5, threads=1, chunk_tokens=240)
    chat = Chat(address=ollama_server, timeout=5, threads=Threads([1]), num_ctx=4096, max_tokens=64)
    yield Answerer(retriever=Finding(), embedder=embedder, chat=chat, policy=policy)
    chat.close()


def reading(ollama: Ollama, tokens_per_second: float) -> None:
    """Make the model read at this speed, without any cached prompt."""

    def reply(asked: Body) -> tuple[int, Body]:
        if "input" in asked:
            return 200, {"embeddings": [[1.0, 0.0] for _ in asked["input"]]}
        size = prompt.size(asked["messages"])
        body = ollama.answer((size.least + size.most) // 2)[1]
        return 200, body | {
            "prompt_eval_duration": int(size.most / tokens_per_second * SECOND),
            "load_duration": SECOND,
        }

    ollama.reply = reply


def asked(made: Answerer, question: str = QUESTION, **more: object) -> tuple[Reading, Answer]:
    first, reads, *_, last = made.ask(Question.model_validate({"text": question, **more}))
    assert isinstance(first, Retrieved)
    assert isinstance(reads, Reading)
    assert isinstance(last, Done)
    return reads, last.answer


def prompted(ollama: Ollama) -> list[dict[str, str]]:
    """The messages of the newest prompt."""
    newest: list[dict[str, str]] = [one["messages"] for one in ollama.asked if "messages" in one][-1]
    return newest


def test_before_anything_is_measured_the_passages_are_read_whole(made: Answerer, ollama: Ollama) -> None:
    reading(ollama, 10_000)
    reads, _ = asked(made)
    assert reads.seconds is None
    assert PASSAGE.text in prompted(ollama)[-1]["content"]


def test_quotes_do_not_wait_for_the_prompt_to_be_made(
    made: Answerer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unwanted(*_: object) -> None:
        pytest.fail("the prompt is made before the quotes are given")

    monkeypatch.setattr(planning, "plan", unwanted)
    events = made.ask(Question(text=QUESTION))
    found = next(events)
    events.close()
    assert isinstance(found, Retrieved)
    assert ANSWER in found.quotes[0].text


def test_on_a_slow_host_the_sentences_that_answer_are_read(made: Answerer, ollama: Ollama) -> None:
    reading(ollama, 600)
    made.warm()
    reads, answer = asked(made)
    sent = prompted(ollama)
    assert ANSWER in sent[-1]["content"]
    assert PASSAGE.text not in sent[-1]["content"]
    assert (reads.model, reads.passages) == (MODEL, 1)
    assert reads.seconds is not None
    assert reads.seconds <= 2.5
    assert prompt.size(sent).most <= 2.5 * 600
    # A sentence's support and page refer to the whole passage.
    assert answer.passages == (PASSAGE,)
    assert answer.explain is not None
    assert answer.explain.passages[0].given
    assert [one.passage for one in answer.citations] in ([], [PASSAGE.text])


def test_never_less_is_read_than_an_answer_needs(made: Answerer, ollama: Ollama) -> None:
    reading(ollama, 10)
    made.warm()
    reads, _ = asked(made)
    assert reads.seconds is not None
    assert reads.seconds > 5, "the real wait is reported"
    fixed = prompt.size(prompt.messages(QUESTION, [], "c0ffee42")).most
    assert 0.8 * planning.FLOOR < prompt.size(prompted(ollama)).most - fixed <= planning.FLOOR


def test_rules_and_conversation_are_the_same_for_each_question_and_the_mark_is_not(
    made: Answerer, ollama: Ollama
) -> None:
    """A model does not reread an unchanged beginning of the prompt."""
    reading(ollama, 10_000)
    turns = [("How high is the tower?", "Fifty metres."), ("How old is it?", "A hundred years.")]
    asked(made, history=turns[:1])
    before = prompted(ollama)
    asked(made, history=turns)
    after = prompted(ollama)
    assert before[:-1] == after[: len(before) - 1]
    assert before[-1]["content"] != after[-1]["content"]
    asked(made, history=turns)
    again = prompted(ollama)
    assert after[:-1] == again[:-1]
    assert after[-1] != again[-1], "a fence is fresh for each question"
    assert prompt.new_share(after, before) < prompt.new_share(after, ())


def test_warming_up_loads_both_models_and_writes_a_few_tokens(made: Answerer, ollama: Ollama) -> None:
    reading(ollama, 500)
    made.warm()
    embedded, read = ollama.asked
    assert "input" in embedded
    assert read["options"]["num_predict"] == 8
    assert made._rates.rate((MODEL, 1)) == pytest.approx(500, rel=0.02)


@pytest.mark.parametrize("quickest", [1, 2])
def test_warming_up_tries_the_threads_and_loads_the_model_with_the_quickest(
    ollama_server: str, ollama: Ollama, quickest: int
) -> None:
    def reply(asked: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        seconds = 1 if asked["options"]["num_thread"] == quickest else 2
        return 200, ollama.answer(200)[1] | {
            "prompt_eval_duration": seconds * SECOND,
            "eval_count": 8,
            "eval_duration": SECOND,
        }

    ollama.reply = reply
    chat = Chat(address=ollama_server, timeout=5, threads=Threads([1, 2]), num_ctx=4096, max_tokens=64)
    ending = chat.warm(MODEL, [{"role": "user", "content": "word " * 30}])
    chat.close()
    assert (ending.read_tokens, ending.read_seconds) == (200, 1.0)
    used = [asked["options"]["num_thread"] for asked in ollama.asked]
    assert (used[:2], used[-1]) == ([1, 2], quickest)


def test_what_the_model_knew_from_the_prompt_before_is_not_counted_as_read(
    made: Answerer, ollama: Ollama
) -> None:
    ollama.reply = lambda asked: (
        200,
        ollama.answer(40)[1] | {"prompt_eval_duration": SECOND, "load_duration": SECOND // 10},
    )
    messages = [{"role": "user", "content": "word " * 30}]
    first, again = (made._chat.warm(MODEL, messages) for _ in range(2))
    assert (first.prompt_tokens, first.read_tokens, first.read_seconds) == (40, 40, 1.0)
    assert (again.prompt_tokens, again.read_tokens) == (40, 0)


def test_an_answer_that_repeats_itself_is_cut_which_the_log_says(made: Answerer, ollama: Ollama) -> None:
    """The model is stopped before it reports its times, so this line is all that is known of its prompt."""
    reading(ollama, 10_000)
    once = ollama.reply
    text = "The keeper of the lamp climbs the tower each night and writes down how much oil has burnt. " * 4

    def reply(asked: Body) -> tuple[int, Body]:
        status, body = once(asked)
        return status, body | {"message": {"role": "assistant", "content": text}}

    ollama.reply = reply
    with structlog.testing.capture_logs() as logs:
        answer = asked(made)[1]
    assert answer.reason == "cut_by_repetition"
    assert {"event": "answer cut", "model": MODEL, "cut": "cut_by_repetition", "log_level": "info"} in logs
    assert "keeper" not in str(logs)
