"""The interface of a system under measurement, and the result of one run."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from pypdf import PdfReader

from bench.measuring.containers import Memory, Usage
from bench.measuring.plain import Given
from rag_core.evaluation import Case, measures
from rag_core.evaluation.report import WITHIN

Event = Literal["line", "word"]


class System(Protocol):
    """Takes documents and returns passages and streamed answers, through its public API."""

    def fill(self, files: Sequence[Path]) -> float:
        """Return the seconds until all of these files that it accepts can be asked about."""

    def search(self, question: str) -> Given:
        """Return the passages, best first, with more than 2,000 words in total."""

    def ask(self, question: str) -> Iterable[Event]:
        """Yield the events of a streamed answer: a line of a document, or words from the model."""

    def memory(self) -> Usage:
        """Return its current memory without Ollama, which serves both systems."""

    def installed(self) -> float:
        """Return its MB on disk before the first document, without Ollama."""


@dataclass(frozen=True)
class Felt:
    """Medians as a user sees them: seconds to the first line, and to the model's first word."""

    line: float
    word: float
    without: int  # answers in which the model wrote nothing


@dataclass(frozen=True)
class Measured:
    """The result of one system's run."""

    pages: float  # a minute, of PDFs
    files: float  # a minute, of the other documents
    within: dict[int, float]
    felt: Felt
    memory: float
    installed: float


def run(system: System, files: Sequence[Path], cases: Sequence[Case], asked: Sequence[str]) -> Measured:
    """Measure one system: fill it, search and ask."""
    pdfs = [path for path in files if path.suffix == ".pdf"]
    others = [path for path in files if path.suffix != ".pdf"]
    with Memory(system.memory) as used:
        pages = sum(len(PdfReader(path).pages) for path in pdfs) * 60 / system.fill(pdfs)
        rest = len(others) * 60 / system.fill(others)
        shares = within(system.search, cases)
        seen = felt(system.ask, asked)
    memory = sum(figure.value for figure in used.figures())
    return Measured(pages, rest, shares, seen, memory, system.installed())


def within(search: Callable[[str], Given], cases: Sequence[Case]) -> dict[int, float]:
    """Return, per number of words, the share of questions whose answer is within that many words."""
    given = [(case, search(case.question)) for case in cases]
    return {
        most: measures.mean([float(case.within(found, most)) for case, found in given]) for most in WITHIN
    }


def felt(ask: Callable[[str], Iterable[Event]], questions: Sequence[str]) -> Felt:
    """Ask one question after another; the first one loads the model and is not counted."""
    for _ in ask(questions[0]):
        pass
    lines: list[float] = []
    words: list[float] = []
    for question in questions[1:]:
        began = time.monotonic()
        first: dict[Event, float] = {}
        for event in ask(question):
            first.setdefault(event, time.monotonic() - began)
        if "word" in first:
            words.append(first["word"])
            # Document line or model's word: whichever comes first is the first thing to read.
            lines.append(min(first.values()))
    if not words:
        raise SystemExit("no question was answered by the model")
    return Felt(statistics.median(lines), statistics.median(words), len(questions) - 1 - len(words))
