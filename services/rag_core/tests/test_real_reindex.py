"""A new model, a new chunk size or a request: a new index is built while the old one keeps answering."""

from __future__ import annotations

import contextlib
import io
import json
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core import factory
from rag_core.index import schema
from rag_core.ingest.ingestor import Ingestor, Outcome
from rag_core.ledger import Ledger
from rag_core.ledger.notes import TARGET, WANTED
from rag_core.models import Document, DocumentState
from rag_core.retrieval.retriever import Retriever
from rag_core.settings import RagSettings

pytestmark = pytest.mark.real
TEXTS = {f"{n}.txt": f"The {n} lighthouse stands on rock number {i}. " * 12 for i, n in enumerate("abcd")}


class Stack:
    """One worker and one reader."""

    def __init__(self, settings: RagSettings) -> None:
        self.settings = settings
        self.ledger: Ledger = factory.build_ledger(settings)
        self.ingestor: Ingestor = factory.build_ingestor(settings, self.ledger, uuid.uuid4().hex)
        self.index = factory.build_index_writer(settings)
        self.retriever: Retriever = factory.build_retriever(settings, self.ledger)

    def upload(self, name: str, text: str) -> Document:
        return factory.build_uploads(self.settings, self.ledger).accept(name, io.BytesIO(text.encode()))

    def work(self) -> list[Outcome]:
        done: list[Outcome] = []
        while (step := self.ingestor.step()).outcome is not Outcome.IDLE:
            done.append(step.outcome)
        return done

    def found(self, question: str) -> set[str]:
        return {passage.document for passage in self.retriever.search(question, top_k=20)}

    def close(self) -> None:
        for part in (self.ingestor, self.index, self.retriever, self.ledger):
            part.close()


@pytest.fixture
def settings(opensearch_address: str, ollama_address: str, tmp_path: Path) -> Iterator[RagSettings]:
    name = f"test-{uuid.uuid4().hex[:8]}"
    yield RagSettings(
        opensearch_host=opensearch_address,
        opensearch_index=name,
        ollama_base_url=ollama_address,
        embedding_model_name="all-minilm",
        ingestion_input_dir=tmp_path / "raw",
        ledger_path=tmp_path / "ledger" / "l.sqlite3",
    )
    send("DELETE", f"{opensearch_address}/{name}-*")


@pytest.fixture
def filled(settings: RagSettings) -> Iterator[Stack]:
    with contextlib.closing(Stack(settings)) as stack:
        stack.ingestor.prepare()
        for name, text in TEXTS.items():
            stack.upload(name, text)
        stack.work()
        yield stack


def send(method: str, address: str, body: object = None) -> None:
    data = json.dumps(body).encode() if body is not None else None
    head = {"Content-Type": "application/json"}
    request = urllib.request.Request(address, method=method, data=data, headers=head)  # noqa: S310 - our own
    urllib.request.urlopen(request, timeout=60).close()  # noqa: S310


@contextlib.contextmanager
def changed(stack: Stack, **settings: object) -> Iterator[Stack]:
    """A worker started with other settings, on the same ledger and store."""
    with contextlib.closing(Stack(stack.settings.model_copy(update=settings))) as other:
        assert not other.ingestor.prepare()
        yield other


def test_smaller_chunks_are_made_beside_the_old_ones_which_answer_till_then(filled: Stack) -> None:
    index = filled.settings.opensearch_index
    before = filled.index.count()
    with changed(filled, chunk_tokens=100) as other:
        assert other.ingestor.step().outcome is Outcome.MOVED
        assert other.ledger.ingestion().rebuilding == len(TEXTS) - 1
        assert other.index.serving() == filled.index.serving()
        assert other.found("which lighthouse?") == set(TEXTS), "the old index answers, whole"
        assert all(d.state is DocumentState.READY for d in other.ledger.list())
        late = other.upload("late.txt", "A lighthouse that came late.")
        assert other.ingestor.step().outcome is Outcome.READY, "new documents go first"
        assert "late.txt" in other.found("which lighthouse came late?")
        generation = other.ledger.generation()
        assert other.work() == [Outcome.MOVED] * len(TEXTS) + [Outcome.SWITCHED]
        serving = other.index.serving()
        assert serving is not None
        assert (serving[0], serving[1].chunk_tokens) == (f"{index}-000002", 100)
        assert list(other.index.versions()) == [f"{index}-000002"], "the old one is gone"
        assert other.found("which lighthouse?") == {*TEXTS, "late.txt"}
        assert other.index.count() > 1.5 * before
        assert other.index.count(late.id) == 1
        assert other.ledger.generation() > generation, "cached answers are of the past"
        assert other.ledger.ingestion().rebuilding is None


@pytest.mark.parametrize("raised", ["mapping", "chunker"])
def test_an_index_of_an_older_version_answers_until_every_document_is_read_anew(
    filled: Stack, raised: str
) -> None:
    """The next worker rebuilds it without a request, for example to cut chunks from before there were limits.

    An index of the previous release may have no file names, but is still searched.
    """
    name = f"{filled.settings.opensearch_index}-000001"
    serving = filled.index.serving()
    assert serving is not None
    older = serving[1].model_copy(update={raised: getattr(serving[1], raised) - 1})
    address = f"{filled.settings.opensearch_host}/{name}/_mapping"
    send("PUT", address, {"_meta": {"embedding": older.model_dump()}})
    filled.index.forget()
    with changed(filled) as other:
        assert other.found("which lighthouse?") == set(TEXTS)
        assert other.work() == [Outcome.MOVED] * len(TEXTS) + [Outcome.SWITCHED]
        assert other.index.serving() == (name.replace("000001", "000002"), serving[1])
        [first, *_] = other.retriever.search("Summarize c.txt")
        assert first.document == "c.txt"


def test_an_index_of_the_version_before_takes_new_documents_until_the_new_one_is_whole(
    filled: Stack,
) -> None:
    """Its mapping has no file names, and refuses unknown fields."""
    alias = filled.settings.opensearch_index
    serving = filled.index.serving()
    assert serving is not None
    body = schema.index(serving[1].model_copy(update={"mapping": 1}), alias)
    del body["mappings"]["properties"]["name"]
    send("DELETE", f"{filled.settings.opensearch_host}/{alias}-000001")
    send("PUT", f"{filled.settings.opensearch_host}/{alias}-000007", body)
    with changed(filled) as other:
        late = other.upload("late.txt", "A lighthouse that came late.")
        step = other.ingestor.step()
        assert (step.outcome, step.document_id) == (Outcome.READY, late.id)
        assert other.found("which lighthouse came late?") == {"late.txt"}
        assert other.index.serving() == (f"{alias}-000007", serving[1].model_copy(update={"mapping": 1}))
        assert other.work()[-1] is Outcome.SWITCHED
        assert other.found("which lighthouse?") == {*TEXTS, "late.txt"}


def test_another_model_takes_over_and_questions_never_fail(filled: Stack, ollama_address: str) -> None:
    """The same weights under another name are the same vector space, so this uses another model's weights."""
    send("POST", f"{ollama_address}/api/copy", {"source": "smollm2:135m", "destination": "other-embedder"})
    try:
        with changed(filled, embedding_model_name="other-embedder", chunk_tokens=60) as other:
            seen = []
            while (outcome := other.ingestor.step().outcome) is not Outcome.IDLE:
                seen.append(outcome)
                assert other.found("which lighthouse?") == set(TEXTS)
                assert filled.found("which lighthouse?") == set(TEXTS), "an app of the old settings, too"
            assert seen == [Outcome.MOVED] * len(TEXTS) + [Outcome.SWITCHED]
            passage = other.retriever.search("Where stands the lighthouse?", top_k=1)[0]
            assert passage.vector_rank is not None, "questions are embedded by the index's own model"
    finally:
        send("DELETE", f"{ollama_address}/api/delete", {"model": "other-embedder"})


def test_killed_rebuild_goes_on_where_it_was(filled: Stack) -> None:
    with changed(filled, chunk_tokens=100) as first:
        for _ in range(2):
            assert first.ingestor.step().outcome is Outcome.MOVED
        target = first.ledger.noted(TARGET)
        # In progress when the process dies: claimed, half written, never released.
        assert first.ledger.claim_stale("dead", 60, str(target)) is not None
    with changed(filled, chunk_tokens=100) as second:
        second.ledger.take_over()
        assert second.ledger.noted(TARGET) == target
        assert second.work() == [Outcome.MOVED] * 2 + [Outcome.SWITCHED]
        assert second.found("which lighthouse?") == set(TEXTS)
        chunks = sum(d.chunks for d in second.ledger.list())
        assert second.index.count() == chunks, "nothing is there twice"


def test_settings_that_were_set_back_end_the_rebuild(filled: Stack) -> None:
    with changed(filled, chunk_tokens=100) as other:
        other.ingestor.step()
    with changed(filled) as back:
        assert back.work() == []
        assert list(back.index.versions()) == [f"{back.settings.opensearch_index}-000001"]
        assert back.ledger.noted(TARGET) is None


def test_wish_for_a_new_index_is_granted_once(filled: Stack) -> None:
    filled.ledger.note(WANTED, "by a person")
    assert filled.ingestor.step().outcome is Outcome.IDLE
    assert filled.work() == [Outcome.MOVED] * len(TEXTS) + [Outcome.SWITCHED]
    assert filled.work() == []
    assert filled.found("which lighthouse?") == set(TEXTS)


def test_document_deleted_or_lost_meanwhile_does_not_come_back(filled: Stack) -> None:
    deleted, lost = filled.ledger.list()[:2]
    with changed(filled, chunk_tokens=100) as other:
        other.ledger.request_delete(deleted.id)
        path = other.ledger.path_of(lost.id)
        assert path is not None
        path.unlink()
        assert Outcome.SWITCHED in other.work()
        assert other.index.count(deleted.id) == 0
        assert (other.ledger.get(lost.id).state, other.ledger.get(lost.id).code) == (
            DocumentState.FAILED,
            "file_missing",
        )
        assert other.found("which lighthouse?") == set(TEXTS) - {deleted.name, lost.name}
