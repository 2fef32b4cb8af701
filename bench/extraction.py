"""Compare document-reading libraries with the product's own parsers, on real files of each kind.

    python -m bench.extraction [kind ...] [docling]      kinds: pdf docx pptx xlsx csv html epub email

Files are fetched once from Debian, Maven Central and PyPI, or written by LibreOffice in a container (an
image of a sandbox that was up once), into .sandbox/extraction. Each library is installed into an
environment of its own, whose size is reported, and reads all files of a kind in one process. The ground
truth comes from other editions of the same text, from Python's own HTML parser, or from the XML in the file.
`docling` includes docling in the comparison, and installs 6 GB for it.

Reported for each library: the share of the true pairs of neighbouring words that it returns, and the share
of the pairs it returns that are true; the share of the headings that it marks as such; the share of the
table rows that it returns whole, as rows; seconds of processor time per MB of file, and their ratio to ours;
peak memory and installed size in MiB.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rich.table import Table

from bench.measuring import ROOT, Figure, console, keep, machine
from bench.reading import files, readers, truths
from bench.reading.files import UV, Document
from bench.reading.readers import Reader
from bench.reading.truths import Held

LONGEST_SECONDS = 300.0
MB = 1e6
COLUMNS = ("words found %", "true %", "headings %", "rows %", "MiB at most", "MiB installed")
# The first file is read twice; the first time is not counted, so that lazy imports are not measured.
PROGRAM = """
import json, logging, os, sys, warnings
from pathlib import Path
logging.disable(); warnings.simplefilter("ignore")
answers = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)  # some say things of their own
paths = json.loads(sys.stdin.read())
for number, path in enumerate([paths[0], *paths]):
    began = sum(os.times()[:4])  # with programs that a library starts
    try:
        form, text = read(path)
        failed = ""
    except BaseException as error:  # a panic of Rust's is no Exception
        form, text, failed = "text", "", type(error).__name__
    seconds = sum(os.times()[:4]) - began
    if number:
        print(json.dumps({"form": form, "text": text, "failed": failed, "seconds": seconds}), file=answers)
status = Path("/proc/self/status").read_text()
peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024
print(json.dumps({"peak": peak}), file=answers, flush=True)
"""
GROUPS: dict[str, dict[str, Callable[[], Iterator[Document]]]] = {
    "pdf": {"manuals": files.pdfs},
    "docx": {"written by LibreOffice": files.written, "written by Word": files.words_own},
    "pptx": {"written by PowerPoint": files.slides},
    "xlsx": {"written by LibreOffice": files.sheets, "written by Excel": files.excels_own},
    "csv": {"tables": files.tables},
    "html": {"manuals": files.pages},
    "epub": {"manuals": files.books},
    "email": {"mailing lists": files.letters, "two editions, attachments": files.composed},
}


@dataclass
class Score:
    """Totals over several documents."""

    found: int = 0
    given: int = 0
    wanted: int = 0
    headings: list[int] = field(default_factory=lambda: [0, 0])
    rows: list[int] = field(default_factory=lambda: [0, 0])
    failed: Counter[str] = field(default_factory=Counter)
    seconds: float = 0.0

    def add(self, document: Document, answers: list[dict[str, str]]) -> None:
        """Compare a reader's output for a document with the ground truth."""
        self.seconds += sum(float(answer["seconds"]) for answer in answers)
        self.failed.update(answer["failed"] for answer in answers if answer["failed"])
        read = [held(answer) for answer in answers]
        have, want = truths.pairs("\n".join(one.text for one in read)), truths.pairs(document.text)
        self.found += sum((have & want).values())
        self.given += sum(have.values())
        self.wanted += sum(want.values())
        if document.headings is not None:
            marked = Counter(" ".join(truths.words(one)) for part in read for one in part.headings)
            true = Counter(filter(None, (" ".join(truths.words(one)) for one in document.headings)))
            self.headings[0] += sum((marked & true).values())
            self.headings[1] += sum(true.values())
        if document.rows is not None:
            kept, rows = truths.spelt(row for part in read for row in part.rows), truths.spelt(document.rows)
            self.rows[0] += sum((kept & rows).values())
            self.rows[1] += sum(rows.values())


def held(answer: dict[str, str]) -> Held:
    """Parse a reader's output: its text, headings and table rows."""
    form = {"markdown": truths.of_markdown, "html": truths.of_html, "text": Held}[answer["form"]]
    return form(answer["text"])


def environment(packages: tuple[str, ...], home: Path) -> tuple[Path, float]:
    """Return a Python with the packages installed, and their size in MiB."""
    where = home / (re.sub(r"\W+", "-", "-".join(packages)) or "nothing")
    python = where / "bin" / "python"
    if not where.is_dir():
        subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, where], check=True)
        if packages:
            subprocess.run([UV, "pip", "install", "--quiet", "--python", python, *packages], check=True)
    installed = next(where.glob("lib/python*/site-packages"))
    return python, sum(f.stat().st_size for f in installed.rglob("*") if f.is_file()) / 2**20


def read(reader: Reader, python: Path, documents: list[Document]) -> tuple[Score, float]:
    """Read all documents in one process; return the score and the peak memory in MiB."""
    paths = [str(path) for document in documents for path in document.files]
    services = ROOT / "services" / "rag_core" / "src"
    done = subprocess.run(
        [sys.executable if reader.ours else python, "-c", reader.program + PROGRAM],
        input=json.dumps(paths), capture_output=True, text=True, timeout=LONGEST_SECONDS, check=False,
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(python.parents[1])}
        | ({"PYTHONPATH": str(services)} if reader.ours else {}),
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{reader.name} cannot be run: {done.stderr[-2000:]}")
    *answers, last = map(json.loads, done.stdout.splitlines())
    score, rest = Score(), iter(answers)
    for document in documents:
        score.add(document, [next(rest) for _ in document.files])
    return score, float(last["peak"])


def share(part: int, whole: int) -> str:
    """Format as a percentage, or "-" if there is nothing to count."""
    return f"{100 * part / whole:.1f}" if whole else "-"


def compared(kind: str, group: str, documents: list[Document], heavy: bool, home: Path) -> list[Figure]:
    """Run each library on these files and print one table."""
    size = sum(path.stat().st_size for document in documents for path in document.files) / MB
    count = sum(len(document.files) for document in documents)
    table = Table(title=f"{kind}, {group}: {count} files, {size:.2f} MB", title_justify="left")
    for column in ("", *COLUMNS, "s/MB", "ratio", "failed"):
        table.add_column(column, justify="left" if column in {"", "failed"} else "right")
    figures: list[Figure] = []
    base = None
    more = [readers.HEAVY[kind]] if heavy and kind in readers.HEAVY else []
    for reader in [*readers.READERS[kind], *more]:
        python, installed = environment(reader.packages, home)
        try:
            score, peak = read(reader, python, documents)
        except subprocess.TimeoutExpired:
            console.print(f"{reader.name}: not done after {LONGEST_SECONDS:.0f} s")
            continue
        per_mb = score.seconds / size
        base = base or per_mb
        summary = (
            share(score.found, score.wanted),
            share(score.found, score.given),
            share(*score.headings),
            share(*score.rows),
            f"{peak:.0f}",
            f"{installed:.0f}",
        )
        failed = ", ".join(f"{times} {name}" for name, times in score.failed.items())
        note = ", ".join(f"{name} {value}" for name, value in zip(COLUMNS, summary, strict=True))
        figures.append(Figure(reader.name, per_mb, "s/MB", base, note=f"{note}, failed: {failed or 'none'}"))
        table.add_row(reader.name, *summary, f"{per_mb:.2f}", figures[-1].ratio, failed)
    console.print(table)
    return figures


def main(arguments: list[str]) -> None:
    """Measure each kind asked for."""
    about = machine()
    kinds = [one for one in arguments if one in GROUPS] or list(GROUPS)
    with tempfile.TemporaryDirectory() as scratch:
        for kind in kinds:
            for group, brought in GROUPS[kind].items():
                figures = compared(kind, group, list(brought()), "docling" in arguments, Path(scratch))
                name = f"extraction-{kind}-{group.rsplit(' ', 1)[-1].lower()}"
                keep(name, f"{kind}, {group}", figures, about)


if __name__ == "__main__":
    main(sys.argv[1:])
