"""From file to cited answer with a real OpenSearch and a real Ollama."""

from __future__ import annotations

import contextlib
import io
import json
import socket
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path

import pytest

from rag_core import factory, health
from rag_core.answering.answerer import Answerer
from rag_core.answering.chat import Chat, Ending
from rag_core.errors import ContractMismatch, ModelMissing
from rag_core.index.hits import Findings
from rag_core.ingest.ingestor import Ingestor, Outcome
from rag_core.ledger import Ledger
from rag_core.models import Document, DocumentState, Done, Question, Retrieved, Switched, Token
from rag_core.retrieval.retriever import Retriever
from rag_core.settings import RagSettings

pytestmark = pytest.mark.real
STAND_IN = "stand-in"
MakePdf = Callable[..., Path]

PAGES = [
    "The turbine hall of the Kestrel plant was built in 1963. It has two cranes of forty tonnes each.",
    "Bearing temperature must stay below 85 degrees Celsius. Above that the Kestrel turbine trips by itself.",
    "The option --max-trip-delay sets how long the controller waits. It stands in /etc/kestrel/trip.conf.",
    "Visitors wear a helmet. The canteen of the plant opens at noon and serves fish on Fridays.",
]


class Stack:
    """Everything of one index, made as the services make it."""

    def __init__(self, settings: RagSettings) -> None:
        self.settings = settings
        self.ledger: Ledger = factory.build_ledger(settings)
        self.ingestor: Ingestor = factory.build_ingestor(settings, self.ledger, "test")
        self.index = factory.build_index_writer(settings)
        self.retriever: Retriever = factory.build_retriever(settings, self.ledger)
        self.answerer: Answerer = factory.build_answerer(settings, self.ledger)

    def upload(self, name: str, content: bytes) -> Document:
        return factory.build_uploads(self.settings, self.ledger).accept(name, io.BytesIO(content))

    def work(self) -> None:
        while self.ingestor.step().outcome is not Outcome.IDLE:
            pass

    def close(self) -> None:
        for part in (self.ingestor, self.index, self.retriever, self.answerer, self.ledger):
            part.close()


@pytest.fixture
def settings(opensearch_address: str, ollama_address: str, tmp_path: Path) -> Iterator[RagSettings]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield RagSettings(
        opensearch_host=opensearch_address,
        opensearch_index=name,
        ollama_base_url=ollama_address,
        ollama_model="smollm2:135m",
        ollama_fallback_model="smollm2:135m",
        ollama_timeout_seconds=300,
        answer_max_tokens=60,
        answer_context_tokens=600,
        embedding_model_name="all-minilm",
        ingestion_input_dir=tmp_path / "raw",
        ledger_path=tmp_path / "ledger" / "l.sqlite3",
    )
    _drop(f"{opensearch_address}/{name}-*")


def _drop(address: str) -> None:
    request = urllib.request.Request(address, method="DELETE")  # noqa: S310 - our own store
    urllib.request.urlopen(request, timeout=30).close()  # noqa: S310


@pytest.fixture
def stack(settings: RagSettings) -> Iterator[Stack]:
    with contextlib.closing(Stack(settings)) as one:
        one.ingestor.prepare()
        yield one


@pytest.fixture
def manual(stack: Stack, make_pdf: MakePdf) -> Document:
    document = stack.upload("kestrel.pdf", make_pdf(PAGES).read_bytes())
    stack.work()
    return stack.ledger.get(document.id)


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
    for hall, said in (("north", "allowed"), ("south", "not allowed")):
        stack.upload(f"rules-{hall}.md", rule.format(said).encode())
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


def test_question_beyond_the_documents_is_told_so(stack: Stack, manual: Document) -> None:
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
    """Whoever chose three seconds does not wait for the embedder's own minute."""
    question = "What temperature must the bearings stay below?"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, says nothing
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
    """Gives the first model no time."""

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
        slow.answerer._chat = Impatient(address=address, timeout=300, num_ctx=4096, max_tokens=60, threads=1)
        events = list(slow.answerer.ask(Question(text="What temperature must the bearings stay below?")))
    assert [e.model for e in events if isinstance(e, Switched)] == [STAND_IN]
    assert isinstance(events[-1], Done)
    answer = events[-1].answer
    assert (answer.model, answer.degraded) == (STAND_IN, True)


def test_an_answer_says_what_cut_it(stack: Stack) -> None:
    address = stack.settings.ollama_base_url
    told = [{"role": "user", "content": "Write a long story of a lighthouse, in many chapters."}]

    def ending(most: int, timeout: float) -> Ending:
        chat = Chat(address=address, timeout=timeout, num_ctx=4096, max_tokens=most, threads=1)
        ended: list[Ending] = []

        def whole() -> Iterator[str]:
            ended.append((yield from chat.stream("smollm2:135m", told)))

        with contextlib.closing(chat):
            list(whole())
        return ended[0]

    short = ending(16, 300)
    assert (short.cut, short.answer_tokens) == ("cut_by_length", 16)
    # The model and its prompt are warm now: the first word is at once there, the last is far.
    assert ending(2000, 1.0).cut == "cut_by_time"


def test_without_ollama_the_words_still_find_the_passage(stack: Stack, manual: Document) -> None:
    """Nothing of Ollama answers: a degraded answer from BM25 alone, never an error."""
    away = Stack(stack.settings.model_copy(update={"ollama_base_url": "http://127.0.0.1:9"}))
    with contextlib.closing(away):
        answer = away.answerer.answer(Question(text="What temperature must the bearings stay below?"))
    assert (answer.degraded, answer.reason) == (True, "no_model")
    assert "85 degrees" in answer.answer
    assert answer.passages[0].vector_rank is None


def test_deleted_document_is_gone_from_answers_at_once_and_from_the_index_soon(
    stack: Stack, manual: Document
) -> None:
    path = stack.ledger.path_of(manual.id)
    stack.ledger.request_delete(manual.id)
    assert stack.retriever.search("bearing temperature") == []
    stack.work()
    assert stack.index.count(manual.id) == 0
    assert path is not None
    assert not path.exists()
    assert not path.parent.exists()


@pytest.fixture
def edited(stack: Stack) -> Callable[[str], None]:
    """Puts the next version of one file into the input directory, and has it read."""
    path = stack.settings.ingestion_input_dir / "watch.txt"
    path.parent.mkdir(parents=True, exist_ok=True)
    watcher = factory.build_watcher(stack.settings, stack.ledger)

    def edit(text: str) -> None:
        path.write_text(text)
        watcher.scan()
        watcher.scan()
        stack.work()

    return edit


def test_a_question_asked_while_a_document_is_replaced_finds_one_version(
    stack: Stack, edited: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Searched before the new version came, shown after the ledger switched to it: neither is there."""
    edited("The lighthouse keeper of version 1 counts ships.")
    index = stack.retriever._index
    search = index.search
    searches = []

    def overtaken(*args: object, **more: object) -> Findings:
        found: Findings = search(*args, **more)  # type: ignore[arg-type]
        searches.append(found)
        if len(searches) == 1:
            edited("The lighthouse keeper of version 2 counts ships, and gulls too.")
        return found

    monkeypatch.setattr(index, "search", overtaken)
    [passage] = stack.retriever.search("lighthouse keeper")
    assert "version 2" in passage.text
    assert len(searches) == 2


def test_at_no_moment_of_a_replacement_are_there_two_versions_or_none(
    stack: Stack, edited: Callable[[str], None]
) -> None:
    edited("The lighthouse keeper of version 0 counts ships.")
    seen: list[list[str]] = []
    done = threading.Event()

    def read() -> None:
        reader = factory.build_retriever(stack.settings, stack.ledger)
        with contextlib.closing(reader):
            while not done.is_set():
                seen.append([p.text for p in reader.search("lighthouse keeper")])

    thread = threading.Thread(target=read)
    thread.start()
    try:
        for version in range(1, 4):
            edited(f"The lighthouse keeper of version {version} counts {'many ' * version}ships.")
    finally:
        done.set()
        thread.join()
    assert seen
    assert {len(texts) for texts in seen} == {1}


def test_reading_twice_makes_no_duplicates_and_a_shorter_reading_leaves_no_rest(
    stack: Stack, manual: Document
) -> None:
    before = stack.index.count()
    stack.ledger.requeue_ready()
    stack.work()
    assert stack.index.count() == before
    stack.index.finish(f"{stack.settings.opensearch_index}-000001", manual.id, 1)
    assert stack.index.count(manual.id) == 1


def test_bad_document_fails_with_reason_and_the_next_is_read(stack: Stack, make_pdf: MakePdf) -> None:
    bad = stack.upload("locked.pdf", make_pdf(["x"], password="p").read_bytes())
    good = stack.upload("good.txt", b"The lighthouse keeper counts the ships.")
    stack.work()
    assert (stack.ledger.get(bad.id).state, stack.ledger.get(bad.id).code) == (
        DocumentState.FAILED,
        "encrypted",
    )
    assert stack.ledger.get(good.id).state is DocumentState.READY


def test_text_over_the_embedders_window_does_not_fail_its_batch(settings: RagSettings) -> None:
    with contextlib.closing(factory.build_embedder(settings)) as embedder:
        vectors = embedder.embed(["short", "word " * 3000, "also short"])
    assert [len(v) for v in vectors] == [384, 384, 384]


def test_chunks_of_nasty_text_are_all_within_the_window(stack: Stack) -> None:
    """The count is ours, the limit is Ollama's: this is where both meet."""
    nasty = " ".join(
        [
            "\u6587\u6863" * 300,
            "x" * 3000,
            "a1B2" * 500,
            "\U0001f600" * 300,
            ". " * 500,
            "\u0645\u0631\u062d\u0628\u0627 " * 200,
        ]
    )
    document = stack.upload("nasty.txt", nasty.encode())
    stack.work()
    assert stack.ledger.get(document.id).state is DocumentState.READY


def test_vectors_of_another_embedder_are_refused(stack: Stack, opensearch_address: str) -> None:
    contract = stack.index.stored_contract()
    assert contract is not None
    with pytest.raises(ContractMismatch, match="digest is"):
        stack.index.demand(contract.model_copy(update={"digest": "0" * 64}))
    address = f"{opensearch_address}/{stack.settings.opensearch_index}/_mapping"
    with urllib.request.urlopen(address, timeout=9) as reply:  # noqa: S310 - our own store
        meta = json.load(reply)
    assert next(iter(meta.values()))["mappings"]["_meta"]["embedding"]["dimension"] == 384


def test_lost_index_is_made_anew_from_the_ledger(
    stack: Stack, manual: Document, opensearch_address: str
) -> None:
    _drop(f"{opensearch_address}/{stack.settings.opensearch_index}-000001")
    fresh = Stack(stack.settings)
    with contextlib.closing(fresh):
        assert fresh.ingestor.prepare()
        fresh.work()
        assert fresh.index.count(manual.id) == manual.chunks


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
