"""Compare our retrieval with three simpler methods, on the same manuals and questions.

    make bench BENCH=retrieval

Baselines: BM25 alone; vectors alone over our chunks; vectors alone over chunks of 1,000 words, truncated to
the embedder's window. Needs the images of a sandbox that was up once (`make up`); uses containers of its own.
"""

from __future__ import annotations

import contextlib
import math
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.measuring import ROOT, Figure, machine, show
from bench.measuring.plain import Given, PlainIndex
from bench.measuring.resampling import interval, resampled
from bench.measuring.stores import stores
from rag_core import factory
from rag_core.answering import followups
from rag_core.evaluation import Case, load, measures
from rag_core.evaluation.report import WITHIN
from rag_core.index import schema
from rag_core.index.embed import Embedder
from rag_core.index.reader import IndexReader
from rag_core.ledger import Ledger
from rag_core.settings import RagSettings
from rag_core.text import tokens
from services.rag_core.tests.corpora import ingested
from tests.eval import manuals

QUESTIONS = ROOT / "tests" / "eval" / "questions.jsonl"
BESIDE_EACH_OTHER = ("questions", "debian", "kinds")
# The second half is held out for the final evaluation of a change: do not tune on it.
WHOLE_MANUALS = ("debian_manuals", "debian_manuals_check")
RANKED = 10
FOR_READING = 30  # passages that fill 2,000 words
WINDOW = 510  # tokens of the embedder's window, less [CLS] and [SEP]
WORDS = 1000
Ranking = list[bool]
Search = Callable[[Case], Ranking]
Stored = dict[str, str]


def everything(index: IndexReader) -> list[Stored]:
    """Return every chunk, in document order."""
    order = [{"document_id": "asc"}, {"ordinal": "asc"}]
    return index.sources({"size": 10_000, "query": {"match_all": {}}, "sort": order})


def alone(index: IndexReader, names: dict[str, str], body: Callable[[str], dict[str, object]]) -> Search:
    """Return a search with only one of the two queries; its chunks are neither joined nor collapsed."""

    def search(case: Case) -> Ranking:
        found = index.sources({"size": RANKED, "query": body(case.question)})
        return [case.holds(names[one["document_id"]], f"{one['title']} {one['text']}") for one in found]

    return search


def long_chunks(chunks: Sequence[Stored], names: dict[str, str], embedder: Embedder) -> Search:
    """Return a vector search over chunks of 1,000 words, cut to the window before they are embedded."""
    texts: dict[str, list[str]] = {}
    for chunk in chunks:
        texts.setdefault(chunk["document_id"], []).extend(f"{chunk['title']} {chunk['text']}".split())
    pieces = [
        (names[identity], " ".join(words[start : start + WORDS]))
        for identity, words in texts.items()
        for start in range(0, len(words), WORDS)
    ]
    vectors = embedder.embed([tokens.cut(tokens.broken(text), WINDOW) for _, text in pieces])

    def search(case: Case) -> Ranking:
        asked = embedder.embed([case.question])[0]
        near = sorted(range(len(pieces)), key=lambda place: -cosine(asked, vectors[place]))
        return [case.holds(*pieces[place]) for place in near[:RANKED]]

    return search


def cosine(left: Sequence[float], right: Sequence[float]) -> float:
    """Return the cosine similarity of two vectors."""
    return sum(a * b for a, b in zip(left, right, strict=True)) / math.hypot(*left) / math.hypot(*right)


def margin(ours: Sequence[float], theirs: Sequence[float]) -> str:
    """Return the mean difference and its 95 % bootstrap interval."""
    gains = [a - b for a, b in zip(ours, theirs, strict=True)]
    means = [measures.mean(some) for some in resampled(gains)]
    return f"ours {measures.mean(gains):+.3f} ({interval(means)})"


def compare(settings: RagSettings, ledger: Ledger, cases: Sequence[Case]) -> list[Figure]:
    """Return hit@3 and MRR@10 of each method, with the difference between ours and theirs."""
    with (
        contextlib.closing(factory.build_retriever(settings, ledger)) as retriever,
        contextlib.closing(factory.build_index(settings)) as index,
        contextlib.closing(factory.build_embedder(settings)) as embedder,
    ):
        names = {document.id: document.name for document in ledger.list()}

        def ours(case: Case) -> Ranking:
            found = retriever.search(case.question, RANKED)
            return [case.holds(one.document, f"{one.title} {one.text}") for one in found]

        def by_vector(question: str) -> dict[str, object]:
            return schema.nearest(embedder.embed([question])[0], RANKED, None)

        ways: dict[str, Search] = {
            "ours": ours,
            "BM25 alone": alone(index, names, lambda q: schema.lexical(q, None)),
            "vectors, our chunks": alone(index, names, by_vector),
            "vectors, 1,000 words": long_chunks(everything(index), names, embedder),
        }
        rankings = {name: [way(case) for case in cases] for name, way in ways.items()}
    figures = []
    scores: dict[str, Callable[[Ranking], float]] = {
        "hit@3": lambda right: measures.hit(right, 3),
        "MRR@10": measures.reciprocal_rank,
    }
    for measured, score in scores.items():
        best = [score(right) for right in rankings["ours"]]
        for name, ranked in rankings.items():
            got = [score(right) for right in ranked]
            note = "" if name == "ours" else margin(best, got)
            figures.append(Figure(f"{measured}, {name}", measures.mean(got), "", note=note))
    return figures


def within(settings: RagSettings, ledger: Ledger, sets: Sequence[str]) -> list[Figure]:
    """Return the share of answers within the first 600 and 2,000 words, by kind, with the plain baseline."""
    with (
        contextlib.closing(factory.build_retriever(settings, ledger)) as retriever,
        contextlib.closing(factory.build_index(settings)) as index,
    ):
        names = {document.id: document.name for document in ledger.list(limit=1000)}
        texts: dict[str, str] = {}
        for one in everything(index):
            name = names[one["document_id"]]
            texts[name] = f"{texts.get(name, '')} {one['title']} {one['text']}"
        plain = PlainIndex(settings.opensearch_host)
        plain.fill(texts.items())

        def ours(question: str) -> Given:
            return [(p.document, p.title, p.text) for p in retriever.search(question, FOR_READING)]

        ways: dict[str, Callable[[str], Given]] = {
            "ours": ours,
            "BM25, 200 words": lambda question: plain.search(question, FOR_READING),
        }
        figures = []
        for name in sets:
            path = QUESTIONS.with_name(f"{name}.jsonl")
            cases = [case for case in load(path) if case.answerable]
            kinds = sorted({case.kind for case in cases})
            asked = {case.question: followups.standalone(case.question, case.history) for case in cases}
            for way, search in ways.items():
                given = {question: search(whole) for question, whole in asked.items()}
                for kind in kinds:
                    some = [case for case in cases if case.kind == kind]
                    for most in WITHIN:
                        share = measures.mean([float(c.within(given[c.question], most)) for c in some])
                        figures.append(
                            Figure(f"{name}, {kind}, {most} words, {way}", share, "", note=f"{len(some)}")
                        )
    return figures


def main() -> None:
    """Measure and show."""
    about = machine()
    cases = [case for case in load(QUESTIONS) if case.answerable]
    with (
        tempfile.TemporaryDirectory() as home,
        stores() as made,
        ingested(made.opensearch, made.models, Path(home), manuals.evaluated()) as settings,
        contextlib.closing(factory.build_ledger(settings)) as ledger,
    ):
        show("retrieval", f"Retrieval, {len(cases)} questions", compare(settings, ledger, cases), about)
    everywhere = [*manuals.evaluated(), *manuals.of_debian(), *manuals.written()]
    corpora = ((everywhere, BESIDE_EACH_OTHER), (manuals.whole_of_debian(), WHOLE_MANUALS))
    figures: list[Figure] = []
    for files, sets in corpora:
        with (
            tempfile.TemporaryDirectory() as home,
            stores() as made,
            ingested(made.opensearch, made.models, Path(home), files) as settings,
            contextlib.closing(factory.build_ledger(settings)) as ledger,
        ):
            figures += within(settings, ledger, sets)
    show("retrieval_words", "Answers within the first words", figures, about)


if __name__ == "__main__":
    main()
