"""Sentences about real manuals, labelled true or false: true ones get a source, false ones none.

A wrong source misleads, and a missing one casts doubt on what is right: neither share may get worse.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from rag_core import factory
from rag_core.extract import Block, Parser
from rag_core.extract.chunk import Chunk, Chunker
from rag_core.models import DocumentKind, Frozen, Passage
from rag_core.settings import RagSettings
from rag_core.support import citing
from services.rag_core.tests.pdfs import LIMITS
from tests.eval import manuals

LABELLED = Path(__file__).parents[3] / "tests" / "eval" / "support.jsonl"
HONEST = {"restated", "joined"}
INVENTED = {"half invented", "foreign"}
Embed = Callable[[list[str]], list[list[float]]]


class Labelled(Frozen):
    """A sentence that a model might write, about the passage of `document` that contains `says`.

    `restated` and `joined` are true. `half invented` joins a truth and an untruth in the passage's own
    words, `foreign` in other words; `crossed` uses the passage's words, but mixes up who does what.
    """

    sentence: str
    document: str
    says: str
    kind: str
    set: str


Cases = list[tuple[Labelled, list[Passage]]]


@pytest.fixture(scope="module")
def cases() -> Cases:
    """Each sentence with its passage and the neighbouring ones, as given to a model."""
    chunks: dict[str, list[Chunk]] = {}
    with Parser(LIMITS) as parser:
        for path in manuals.evaluated():
            kind = DocumentKind.PDF if path.suffix == ".pdf" else DocumentKind.HTML
            blocks = (one for one in parser.parse(path, kind) if isinstance(one, Block))
            chunks[path.name] = list(Chunker(240).chunks(blocks))
    found: Cases = []
    labelled = [Labelled.model_validate_json(line) for line in LABELLED.read_text().splitlines()]
    for one in labelled:
        about = chunks[one.document]
        for place, chunk in enumerate(about):
            if plain(one.says) in plain(chunk.text):
                given = about[max(0, place - 1) : place + 2]
                found.append((one, [passage(one.document, each) for each in given]))
                break
    assert len(found) >= 0.9 * len(labelled), "other versions of the manuals say other things; label anew"
    return found


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text)


def passage(document: str, chunk: Chunk) -> Passage:
    return Passage(
        document_id=f"{document}#{chunk.ordinal}",
        document=document,
        title=chunk.title,
        page_start=chunk.page_start,
        page_end=chunk.page_end,
        text=chunk.text,
        score=1.0,
    )


def share(cases: Cases, kinds: set[str], embed: Embed | None) -> tuple[float, list[str]]:
    """The share of these sentences that get a source, and those sentences."""
    some = [(one.sentence, given) for one, given in cases if one.kind in kinds]
    supported = [sentence for sentence, given in some if citing.cite(sentence, given, embed).citations]
    return len(supported) / len(some), supported


def test_words_alone_tell_most_of_what_is_invented(cases: Cases) -> None:
    honest, _ = share(cases, HONEST, None)
    invented, taken = share(cases, INVENTED, None)
    assert honest >= 0.82
    assert invented <= 0.48, taken


@pytest.fixture
def embed(ollama_address: str) -> Iterator[Embed]:
    """The embedder of the stack."""
    settings = RagSettings(ollama_base_url=ollama_address, embedding_model_name="all-minilm")
    with contextlib.closing(factory.build_embedder(settings)) as one:
        yield one.embed


@pytest.mark.real
def test_with_the_embedder_less_is_invented_and_more_that_is_true_kept(cases: Cases, embed: Embed) -> None:
    honest, _ = share(cases, HONEST, embed)
    invented, taken = share(cases, INVENTED, embed)
    assert honest >= 0.85
    assert invented <= 0.38, taken
