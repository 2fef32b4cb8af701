"""Measure retrieval from 100,000 passages of made-up words and vectors, with a real OpenSearch and Ollama.

    make bench BENCH=scale [ARGS=10000]

Needs the images of a sandbox that was up once (`make up`); uses containers of its own, with a deployment's
limits. The other four containers of a deployment are not started: they store nothing of the index.
"""

from __future__ import annotations

import random
import statistics
import sys
import tempfile
import time
from contextlib import closing
from functools import partial
from pathlib import Path

from bench.latency import QUESTIONS, p95
from bench.measuring import Figure, machine, show
from bench.measuring.containers import Memory, counted
from bench.measuring.stores import Bench, stores
from rag_core import factory
from rag_core.extract.chunk import Chunk
from rag_core.models import DocumentKind

PASSAGES = 100_000
IN_EACH = 500
# On a busy machine a larger request exceeds the client's timeout.
AT_ONCE = 50
WORDS_IN_EACH = 160
DIMENSION = 384
ROUNDS = 25
VOCABULARY = 50_000
DICE = random.Random(5)  # noqa: S311 - made-up passages


def chunk(ordinal: int, words: list[str]) -> Chunk:
    """Return a passage with word frequencies like a natural language: few words often, most seldom."""
    text = " ".join(words[int(DICE.paretovariate(0.6)) % len(words)] for _ in range(WORDS_IN_EACH))
    return Chunk(
        ordinal=ordinal, headings=(f"Part {ordinal}",), text=text, page_start=1 + ordinal // 3,
        page_end=1 + ordinal // 3, page_marks=(), tokens=WORDS_IN_EACH,
    )  # fmt: skip


def vocabulary() -> list[str]:
    """Return the words of the questions, mixed with many others."""
    asked = sorted({word.strip("?(),").lower() for question in QUESTIONS for word in question.split()})
    words = asked * 20 + [f"w{number}" for number in range(VOCABULARY)]
    DICE.shuffle(words)
    return words


def measured(bench: Bench, count: int) -> list[Figure]:
    """Fill the index, then measure searches."""
    settings = bench.settings
    words = vocabulary()
    with closing(factory.build_ledger(settings)) as ledger:
        with closing(factory.build_ingestor(settings, ledger, "bench")) as ingestor:
            ingestor.prepare()
        with closing(factory.build_index_writer(settings)) as index:
            serving = index.serving()
            if serving is None:
                raise SystemExit("the index was not made")
            began = time.monotonic()
            for document in range(count // IN_EACH):
                chunks = [chunk(ordinal, words) for ordinal in range(IN_EACH)]
                for start in range(0, IN_EACH, AT_ONCE):
                    part = chunks[start : start + AT_ONCE]
                    vectors = [[round(DICE.gauss(0, 1), 4) for _ in range(DIMENSION)] for _ in part]
                    index.put(
                        serving[0], f"{document:064x}", DocumentKind.TEXT, part, vectors,
                        name=f"part-{document}.txt", mapping=serving[1].mapping,
                    )  # fmt: skip
            index.finish(serving[0], f"{count // IN_EACH - 1:064x}", IN_EACH, fresh=True)
            filled = time.monotonic() - began
            here = index.count()
        with (
            closing(factory.build_retriever(settings, ledger)) as retriever,
            closing(factory.build_embedder(settings)) as embedder,
        ):
            took: list[float] = []
            embedded: list[float] = []
            for turn in range(ROUNDS + 1):
                for question in QUESTIONS:
                    # Never ask the same question twice, so that no cache of the engine answers.
                    asked = f"{question} {turn}"
                    began = time.monotonic()
                    embedder.embed([asked])
                    middle = time.monotonic()
                    retriever.search(asked, 5)
                    if turn:
                        embedded.append(middle - began)
                        took.append(time.monotonic() - middle)
    return [
        Figure("passages in the index", here, "", note=f"written in {filled:.0f} s"),
        Figure("retrieval, p50", statistics.median(took) * 1000, "ms", note=f"{len(took)} questions"),
        Figure("retrieval, p95", p95(took) * 1000, "ms", 150, aim="< 150 ms", note="ratio to the aim"),
        Figure("  of it the question's vector, p95", p95(embedded) * 1000, "ms", p95(took) * 1000),
    ]


def main(count: int) -> None:
    """Measure and show."""
    about = machine()
    with stores(limited=True) as both, tempfile.TemporaryDirectory() as home:
        with Memory(partial(counted, *both.names.values())) as memory:
            figures = measured(Bench(both, Path(home)), count)
        show("scale", "Retrieval in a large index", [*figures, *memory.figures()], about)


if __name__ == "__main__":
    main(int(sys.argv[1]) if sys.argv[1:] else PASSAGES)
