"""Measure ingestion with a real OpenSearch and a real Ollama: rate, memory, OCR of scans, kills.

    python -m bench.ingestion [rate] [large] [many] [scans] [kills]      default: all of them

Needs the images of a sandbox that was up once (`make up`); uses containers of its own.
"""

from __future__ import annotations

import io
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pypdfium2
from fpdf import FPDF

from bench.measuring import Figure, machine, show
from bench.measuring.stores import Bench, Stores, stores
from rag_core import factory
from rag_core.extract import Block
from rag_core.extract.chunk import Chunker
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentState

RANDOM = random.Random(11)  # noqa: S311 - the same texts each time
WORDS = [
    "harbour",
    "light",
    "keeper",
    "storm",
    "northern",
    "engine",
    "pressure",
    "valve",
    "table",
    "record",
    "between",
    "question",
    "answer",
    "before",
    "engineer",
    "reading",
    "summer",
    "winter",
    "measure",
    "control",
    "system",
    "value",
    "window",
    "letter",
    "number",
    "under",
    "during",
    "because",
    "several",
    "river",
    "mountain",
    "station",
    "report",
    "figure",
    "chapter",
    "winter",
    "board",
    "method",
    "result",
    "sample",
    "water",
    "metal",
    "signal",
]
WORKER_MIB = 600
LARGE_PAGES, MANY_FILES, SCANNED_PAGES, KILLED_DOCUMENTS, KILLS = 1000, 5000, 12, 200, 12


def sentence() -> str:
    """Return random words and a number that makes the sentence unique."""
    return " ".join(RANDOM.choices(WORDS, k=12)).capitalize() + f" {RANDOM.randrange(10**6)}."


def pdf(pages: int, sentences: int) -> bytes:
    """Return a PDF with a heading every ten pages."""
    made = FPDF()
    made.set_font("Helvetica", size=11)
    for number in range(pages):
        made.add_page()
        if number % 10 == 0:
            made.start_section(f"Part {number // 10 + 1}")
        made.multi_cell(0, 6, " ".join(sentence() for _ in range(sentences)))
    return bytes(made.output())


def rate(all_stores: Stores, home: Path) -> list[Figure]:
    """Measure pages per minute end to end, and the embedder alone on the same texts before and after."""
    pages = 60
    bench = Bench(all_stores, home)
    bench.start()
    document = home / "rate.pdf"
    document.write_bytes(pdf(pages, 30))
    settings = bench.settings
    with (
        closing(factory.build_parser(settings)) as parser,
        closing(factory.build_embedder(settings)) as embedder,
    ):
        blocks = (b for b in parser.parse(document, sniff(document, document.name)) if isinstance(b, Block))
        texts = [chunk.embedded for chunk in Chunker(settings.chunk_tokens).chunks(blocks)]
        embedder.contract()

        def raw() -> float:
            began = time.monotonic()
            embedder.embed(texts)
            return time.monotonic() - began

        embedder.embed(texts[:16])
        before = raw()
        with bench.ledger() as ledger:
            uploads = factory.build_uploads(settings, ledger)
            began = time.monotonic()
            uploads.accept(document.name, io.BytesIO(document.read_bytes()))
        bench.until_done(1, 3600)
        whole = time.monotonic() - began
        after = raw()
    bench.stop()
    bench.drop()
    alone = (before + after) / 2
    return [
        Figure(
            "pages a minute, end to end",
            pages * 60 / whole,
            "pages",
            note=f"{len(texts)} chunks, {whole:.1f} s",
        ),
        Figure(
            "pages a minute, embedder alone",
            pages * 60 / alone,
            "pages",
            note=f"{before:.1f} s, {after:.1f} s",
        ),
        Figure("end to end over embedder alone", alone / whole, "", aim="> 0.9"),
    ]


def large(all_stores: Stores, home: Path) -> list[Figure]:
    """Measure the worker's memory with one PDF of a thousand pages."""
    bench = Bench(all_stores, home)
    bench.start()
    with bench.ledger() as ledger:
        uploads = factory.build_uploads(bench.settings, ledger)
        uploads.accept("large.pdf", io.BytesIO(pdf(LARGE_PAGES, 12)))
    seconds = bench.until_done(1, 7200)
    bench.stop()
    bench.drop()
    return [
        Figure(
            f"{LARGE_PAGES:,} pages in one PDF",
            LARGE_PAGES * 60 / seconds,
            "pages/min",
            note=f"{seconds:.0f} s",
        ),
        Figure("  worker's memory at most", bench.peak, "MiB", WORKER_MIB, f"< {WORKER_MIB} MiB"),
    ]


def many(all_stores: Stores, home: Path) -> list[Figure]:
    """Ingest five thousand small files that appear in the directory at once."""
    bench = Bench(all_stores, home)
    raw = home / "raw"
    raw.mkdir(parents=True)
    for number in range(MANY_FILES):
        (raw / f"{number:05d}.txt").write_text(f"Note {number}. {sentence()} {sentence()}")
    bench.start()
    seconds = bench.until_done(MANY_FILES, 7200)
    bench.stop()
    with bench.ledger() as ledger:
        ready = ledger.counts()[DocumentState.READY]
    bench.drop()
    return [
        Figure(
            f"{MANY_FILES:,} small files", MANY_FILES * 60 / seconds, "files/min", note=f"{ready:,} ready"
        ),
        Figure("  worker's memory at most", bench.peak, "MiB", WORKER_MIB, f"< {WORKER_MIB} MiB"),
    ]


def scans(_: Stores, home: Path) -> list[Figure]:
    """Measure how many pages per minute Tesseract reads, and how much of their text it gets right."""
    home.mkdir(parents=True)
    plain, scanned = home / "plain.pdf", home / "scanned.pdf"
    plain.write_bytes(pdf(SCANNED_PAGES, 25))
    with pypdfium2.PdfDocument(plain) as source:
        expected = [page.get_textpage().get_text_range().split() for page in source]
        pictures = [page.render(scale=200 / 72, grayscale=True).to_pil() for page in source]
    pictures[0].save(scanned, "PDF", save_all=True, append_images=pictures[1:], resolution=200)
    nowhere = "http://127.0.0.1:9"
    bench = Bench(Stores(nowhere, nowhere, nowhere, {}), home)
    with closing(factory.build_parser(bench.settings)) as parser:
        began = time.monotonic()
        found = [b for b in parser.parse(scanned, sniff(scanned, scanned.name)) if isinstance(b, Block)]
        seconds = time.monotonic() - began
    read = {word for block in found for word in block.text.split()}
    words = [word for page in expected for word in page]
    share = sum(word in read for word in words) / len(words)
    return [
        Figure("scanned pages", SCANNED_PAGES * 60 / seconds, "pages/min", note=f"{seconds:.0f} s"),
        Figure("  words exactly right", 100 * share, "%"),
    ]


def kills(all_stores: Stores, home: Path) -> list[Figure]:
    """Kill the worker, OpenSearch and Ollama at random moments while 200 documents are ingested."""
    bench = Bench(all_stores, home)
    raw = home / "raw"
    raw.mkdir(parents=True)
    for number in range(KILLED_DOCUMENTS):
        text = "\n\n".join(f"Note {number}, part {part}. {sentence()}" * 6 for part in range(1 + number % 9))
        (raw / f"{number:03d}.txt").write_text(text)
    bench.start()
    done: dict[str, int] = {"worker": 0, "opensearch": 0, "ollama": 0}
    with bench.ledger() as ledger:
        while sum(done.values()) < KILLS:
            time.sleep(RANDOM.uniform(2, 8))
            if ledger.counts()[DocumentState.READY] >= KILLED_DOCUMENTS:
                break
            which = min(done, key=lambda name: (done[name], RANDOM.random()))
            if which == "worker":
                bench.stop(kill=True)
                bench.start()
            else:
                all_stores.kill(which, away=RANDOM.uniform(1, 6))
            done[which] += 1
    bench.until_done(KILLED_DOCUMENTS, 3600)
    bench.stop()
    with bench.ledger() as ledger, closing(factory.build_index(bench.settings)) as index:
        documents = ledger.list(limit=10_000)
        lost = KILLED_DOCUMENTS - sum(one.state is DocumentState.READY for one in documents)
        found = {one.id: index.count(one.id) for one in documents}
        wrong = sum(found[one.id] != one.chunks for one in documents)
        over = index.count() - sum(one.chunks for one in documents)
    bench.drop()
    note = ", ".join(f"{many} x {name}" for name, many in done.items())
    return [
        Figure("kills while 200 documents are read", sum(done.values()), "", note=note),
        Figure("  documents lost", lost, "", aim="0"),
        Figure("  documents with a wrong number of chunks", wrong, "", aim="0"),
        Figure("  chunks too many in the index", over, "", aim="0"),
    ]


PARTS: dict[str, Callable[[Stores, Path], list[Figure]]] = {
    "rate": rate,
    "large": large,
    "many": many,
    "scans": scans,
    "kills": kills,
}


def main(names: list[str]) -> None:
    """Run the named measurements and show their figures."""
    about = machine()
    figures: list[Figure] = []
    with stores() as all_stores, tempfile.TemporaryDirectory() as scratch:
        for name in names or PARTS:
            figures += PARTS[name](all_stores, Path(scratch) / name)
    show("ingestion" if not names else f"ingestion-{'-'.join(names)}", "Ingestion", figures, about)


if __name__ == "__main__":
    main(sys.argv[1:])
