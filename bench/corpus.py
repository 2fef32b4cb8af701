"""Compare our text extraction with Apache Tika's on Tika's own test files.

    python -m bench.corpus [ending ...]      only files with these endings; none: all

Each file is processed like an upload: its kind is detected from its content, it is parsed in the parser's own
process and cut into chunks. Reported for each kind of file: how many were read, read with notes, refused by
name, failed or hung; the share of Tika's words that are in our chunks (each word as often as Tika has it);
the words that were parsed but are in no chunk, as the pipeline's own meter counts them; seconds. Files below
0.9 are listed, with the reason where one is known (bench/reading/explained.json). The files and Tika are
downloaded once from Maven Central into .sandbox/tika.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from bench.measuring import Figure, console, keep, machine
from bench.reading import tika
from bench.reading.truths import words
from rag_core.errors import ExtractionFailed, UploadRefused
from rag_core.extract import Block, BlockKind, Head, Limits, Note, Parser
from rag_core.extract.chunk import Chunker
from rag_core.extract.sniff import sniff
from rag_core.ingest.loss import LossMeter

LIMITS = Limits(
    stall_seconds=60,
    cpu_seconds=300,
    memory_mib=1024,
    max_pages=10_000,
    ocr_languages="eng",
    ocr_page_seconds=45,
)
CHUNK_TOKENS = 254
ENOUGH = 0.9
EXPLAINED = Path(__file__).with_name("reading") / "explained.json"
FAULTS = {"parser_hung", "parser_crashed", "parser_killed", "internal"}


@dataclass
class Outcome:
    """The result of reading one file."""

    name: str
    kind: str
    how: str
    reason: str = ""
    recall: float | None = None
    lost: int = 0
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)


def outcome(path: Path, truth: str | None, parser: Parser) -> Outcome:
    """Process one file like an upload and compare its words with Tika's (`truth`)."""
    name, began = str(path.relative_to(tika.HOME / "documents")), time.monotonic()
    try:
        kind = sniff(path, path.name)
    except UploadRefused as error:
        return Outcome(name, "none of ours", "refused", error.message)
    notes: list[str] = []
    blocks: list[Block] = []
    meter = LossMeter()
    try:
        for item in parser.parse(path, kind):
            if isinstance(item, Block):
                meter.seen(item)
                blocks.append(item)
            elif isinstance(item, Head) and item.title:
                blocks.append(Block(BlockKind.HEADING, item.title, 1, 0))
            elif isinstance(item, Note) and not item.read:
                notes.append(item.message)
    except ExtractionFailed as error:
        how = error.code if error.code in FAULTS else "failed"
        return Outcome(
            name, kind.value, how, f"{error.code}: {error.message}", seconds=time.monotonic() - began
        )
    chunks = list(Chunker(CHUNK_TOKENS).chunks(iter(blocks)))
    ours = Counter(words("\n".join(f"{chunk.title}\n{chunk.text}" for chunk in chunks)))
    for chunk in chunks:
        meter.kept(chunk)
    found = Outcome(name, kind.value, "with notes" if notes else "read", notes=notes)
    found.seconds, found.lost = time.monotonic() - began, meter.words_lost
    expected = Counter(words(truth or ""))
    if expected:
        found.recall = sum((ours & expected).values()) / sum(expected.values())
    return found


def by_kind(outcomes: Iterable[Outcome]) -> tuple[Table, list[Figure]]:
    """Summarize the outcomes, one line per kind of file."""
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for one in outcomes:
        groups[one.kind].append(one)
    table = Table(title="Apache Tika's test files, by kind", title_justify="left")
    columns = ("files", "read", "with notes", "refused", "failed", "hung or crashed")
    for column in ("", *columns, "median recall", f"under {ENOUGH}", "words lost", "seconds"):
        table.add_column(column, justify="right" if column else "left")
    figures = []
    for kind, group in sorted(groups.items()):
        how = Counter("hung or crashed" if one.how in FAULTS else one.how for one in group)
        recalls = [one.recall for one in group if one.recall is not None]
        median = statistics.median(recalls) if recalls else None
        table.add_row(
            kind,
            str(len(group)),
            *(str(how[column] or "-") for column in columns[1:]),
            f"{median:.3f}" if median is not None else "-",
            str(sum(recall < ENOUGH for recall in recalls) or "-"),
            str(sum(one.lost for one in group) or "-"),
            f"{sum(one.seconds for one in group):.1f}",
        )
        if median is not None:
            counts = ", ".join(f"{number} {name}" for name, number in how.items())
            figures.append(Figure(kind, median, "of Tika's words", 1.0, note=counts))
    return table, figures


def main(arguments: list[str]) -> None:
    """Read every file."""
    about, endings = machine(), {f".{one.lstrip('.')}" for one in arguments}
    truth = tika.read()
    paths = [path for path in tika.documents() if not endings or path.suffix.lower() in endings]
    with Parser(LIMITS) as parser:
        outcomes = [outcome(path, truth.get(path), parser) for path in paths]
    table, figures = by_kind(outcomes)
    explained = json.loads(EXPLAINED.read_text("utf-8"))
    rest = Table(title=f"Failed, or under {ENOUGH} of Tika's words", title_justify="left")
    for column in ("file", "kind", "recall", "why"):
        rest.add_column(column)
    for one in sorted(outcomes, key=lambda each: (each.kind, each.name)):
        low = one.recall is not None and one.recall < ENOUGH
        if one.how not in {"read", "with notes", "refused"} or low:
            shown = f"{one.recall:.2f}" if one.recall is not None else "-"
            why = explained.get(one.name) or one.reason or "; ".join(one.notes) or "not explained"
            rest.add_row(one.name, one.kind, shown, why)
    refused = Table(title="Refused, by the name that a person reads", title_justify="left")
    for column in ("ending", "files", "first words"):
        refused.add_column(column)
    endings_of = ((Path(one.name).suffix.lower(), one.reason) for one in outcomes if one.how == "refused")
    named = Counter((ending, re.sub(r"^'[^']*' ", "", reason)[:90]) for ending, reason in endings_of)
    for (ending, reason), number in sorted(named.items()):
        refused.add_row(ending, str(number), reason)
    for shown_last in (refused, rest, table):
        console.print(shown_last)
    recalls = [one.recall for one in outcomes if one.recall is not None]
    if recalls:
        figures.append(Figure("all", statistics.median(recalls), "of Tika's words", 1.0, aim=">= 0.98"))
    keep("corpus", "Apache Tika's test files", figures, about)
    listed = "\n".join(json.dumps(vars(one)) for one in outcomes)
    (tika.HOME / "outcomes.jsonl").write_text(listed + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
