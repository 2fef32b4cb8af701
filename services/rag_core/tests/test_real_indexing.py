"""The content of a real OpenSearch while documents are deleted, replaced, reread or unreadable."""

from __future__ import annotations

import contextlib
import json
import threading
import urllib.request
from collections.abc import Callable

import pytest

from rag_core import factory
from rag_core.errors import ContractMismatch
from rag_core.index.hits import Findings
from rag_core.models import Document, DocumentState
from rag_core.settings import RagSettings
from services.rag_core.tests.real_stack import MakePdf, Stack, drop
from services.rag_core.tests.real_stack import manual as manual
from services.rag_core.tests.real_stack import settings as settings
from services.rag_core.tests.real_stack import stack as stack

pytestmark = pytest.mark.real


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
    """Write the next version of a file to the input directory and ingest it."""
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
    """A search that began before the switch would show neither version after it, so it runs again."""
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
    """Our token count must agree with Ollama's limit."""
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
    drop(f"{opensearch_address}/{stack.settings.opensearch_index}-000001")
    fresh = Stack(stack.settings)
    with contextlib.closing(fresh):
        assert fresh.ingestor.prepare()
        fresh.work()
        assert fresh.index.count(manual.id) == manual.chunks
