"""Measure how often the prompt contains the answer, for prompts of different sizes.

    make bench BENCH=prompts [ARGS=words]

Compares whole passages, best first, with the sentences that `excerpting` chooses, on the committed questions.
With `words` the passages are found by BM25 in this process, without OpenSearch or a model; without it they
come from a real search.
"""

from __future__ import annotations

import contextlib
import math
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.measuring import ROOT, Figure, machine, show
from bench.measuring.stores import stores
from rag_core import factory
from rag_core.answering import excerpting, followups, prompt, quoting
from rag_core.evaluation import Case, load, measures
from rag_core.extract import Block, Limits, Parser
from rag_core.extract.chunk import Chunk, Chunker
from rag_core.extract.sniff import sniff
from rag_core.index.hits import Hit
from rag_core.models import Passage
from rag_core.retrieval import relevance
from rag_core.retrieval.retriever import Found, grouped, passage, without_repeats
from rag_core.text.words import words
from services.rag_core.tests.corpora import ingested
from tests.eval import manuals

SETS = ("questions", "debian", "kinds")
# With titles and fences; at most BEFORE of them are text, as in the app.
BUDGETS = (300, 450, 600, 750, 850, 950, 1050, 1100, 1150, 1200)
BEFORE = 1000  # tokens of the texts alone, without titles and fences: the budget where there is time
TOP_K = 5
CANDIDATES = 30
CHUNK_TOKENS = 240
K1, B = 1.2, 0.75  # the usual BM25 parameters
LIMITS = Limits(
    stall_seconds=60,
    cpu_seconds=900,
    memory_mib=1024,
    max_pages=10_000,
    ocr_languages="",
    ocr_page_seconds=45,
)
Find = Callable[[str], Found]


class Words:
    """BM25 over our chunks; neighbouring chunks among the best are joined, as a real search does."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._hits: list[Hit] = []
        self._bags: list[frozenset[str]] = []
        with Parser(LIMITS) as parser:
            for path in files:
                blocks = (one for one in parser.parse(path, sniff(path, path.name)) if isinstance(one, Block))
                for chunk in Chunker(CHUNK_TOKENS).chunks(blocks):
                    self._hits.append(_hit(path.name, chunk))
                    self._bags.append(words(f"{chunk.title} {chunk.text}"))
        self._held = Counter(word for bag in self._bags for word in bag)
        self._usual = sum(map(len, self._bags)) / len(self._bags)

    def find(self, query: str) -> Found:
        """The best passages."""
        asked = words(query)
        scored = sorted(
            ((self._score(asked, bag), place) for place, bag in enumerate(self._bags)), reverse=True
        )
        best = [self._hits[place] for score, place in scored[:CANDIDATES] if score > 0]
        shown, _ = without_repeats(best)
        names = {hit.document_id: hit.document_id for hit in shown}
        return Found(
            passages=tuple(passage(group, names) for group in grouped(shown, TOP_K)),
            words={
                word: min((self._held[stem] for stem in words(word)), default=0)
                for word in relevance.telling(query)
            },
        )

    def _score(self, asked: frozenset[str], bag: frozenset[str]) -> float:
        each = (K1 + 1) / (1 + K1 * (1 - B + B * len(bag) / self._usual))
        of = len(self._bags)
        return sum(
            math.log(1 + (of - self._held[w] + 0.5) / (self._held[w] + 0.5)) * each for w in asked & bag
        )


def _hit(name: str, chunk: Chunk) -> Hit:
    return Hit(
        chunk_id=f"{name} {chunk.ordinal}",
        document_id=name,
        ordinal=chunk.ordinal,
        title=chunk.title,
        text=chunk.text,
        page_start=chunk.page_start,
        page_end=chunk.page_end,
        page_marks=chunk.page_marks,
        score=0,
        similarity=None,
        bm25_score=None,
        bm25_rank=None,
        vector_rank=None,
    )


def shares(cases: Sequence[Case], find: Find) -> list[Figure]:
    """Return, per budget, how many of the questions whose answer was found have it in the prompt."""
    given: list[tuple[Case, str, list[Passage], Found]] = []
    for case in cases:
        query = followups.standalone(case.question, case.history)
        found = find(query)
        bearing = relevance.bearing(query, found.passages)
        if holds(case, bearing):
            given.append((case, query, bearing, found))
    figures = [
        Figure("in the passages found", len(given) / len(cases), "", note=f"{len(given)} of {len(cases)}")
    ]
    before = [float(holds(case, prompt.fitting(bearing, BEFORE))) for case, _, bearing, _ in given]
    figures.append(Figure(f"{BEFORE} tokens of text, whole passages", measures.mean(before), ""))
    for budget in BUDGETS:
        whole, chosen, tokens = [], [], []
        most = min(budget, BEFORE)
        for case, query, bearing, found in given:
            whole.append(float(holds(case, prompt.fitting(bearing, most, budget))))
            ranks = quoting.ranked(query, bearing, found.words)
            read, _ = excerpting.excerpts(ranks, bearing, most, budget)
            chosen.append(float(holds(case, read)))
            tokens.append(sum(prompt.tokens(one.text) + prompt.around(one) for one in read))
        base = measures.mean(whole)
        figures.append(Figure(f"{budget} tokens, whole passages", base, ""))
        note = f"{measures.mean(tokens):.0f} tokens used"
        figures.append(Figure(f"{budget} tokens, sentences", measures.mean(chosen), "", base, note=note))
    return figures


def holds(case: Case, passages: Sequence[Passage]) -> bool:
    """Return whether the passages answer the question; each phrase must be within a sentence or two."""
    return any(case.holds(one.document, f"{one.title} {one.text}") for one in passages)


def committed() -> tuple[list[Case], list[Path]]:
    """The committed questions that have an answer, and the documents that they are about."""
    sets = (ROOT / "tests" / "eval" / f"{name}.jsonl" for name in SETS)
    cases = [case for one in sets for case in load(one) if case.answerable]
    return cases, [*manuals.evaluated(), *manuals.of_debian(), *manuals.written()]


def main(*, by_words: bool) -> None:
    """Measure and show."""
    about = machine()
    cases, files = committed()
    if by_words:
        figures = shares(cases, Words(files).find)
    else:
        with (
            tempfile.TemporaryDirectory() as home,
            stores() as made,
            ingested(made.opensearch, made.models, Path(home), files) as settings,
            contextlib.closing(factory.build_ledger(settings)) as ledger,
            contextlib.closing(factory.build_retriever(settings, ledger)) as retriever,
        ):
            figures = shares(cases, lambda query: retriever.find(query, TOP_K))
    show("prompts", f"The answer is in the prompt, {len(cases)} questions", figures, about)


if __name__ == "__main__":
    main(by_words=sys.argv[1:] == ["words"])
