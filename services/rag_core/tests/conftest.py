"""Fixtures without prerequisites. Tests create their documents, so each shows what is in its file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fpdf import FPDF

from rag_core.extract import Parser
from rag_core.ledger import Ledger
from rag_core.ledger.remote_tokens import RemoteTokens
from services.rag_core.tests.losses import watched

MakePdf = Callable[..., Path]


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def no_word_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also chunk everything that a test parses: a word missing from the chunks fails the test."""
    monkeypatch.setattr(Parser, "parse", watched(Parser.parse))


@pytest.fixture
def clock() -> Clock:
    """A clock that stands still until the test moves it."""
    return Clock()


@pytest.fixture
def ledger(tmp_path: Path, clock: Clock) -> Iterator[Ledger]:
    """An empty ledger."""
    one = Ledger(tmp_path / "ledger" / "ledger.sqlite3", clock=clock)
    yield one
    one.close()


@pytest.fixture
def tokens(tmp_path: Path) -> Iterator[RemoteTokens]:
    """Token counts of remote models, in a separate file for each test."""
    one = RemoteTokens(tmp_path / "ledger.sqlite3")
    yield one
    one.close()


@pytest.fixture
def make_pdf(tmp_path: Path) -> MakePdf:
    """Makes a PDF: one text for each page, optionally headings (page -> title) and a user password."""

    def make(
        pages: list[str], name: str = "made.pdf", headings: dict[int, str] | None = None, password: str = ""
    ) -> Path:
        pdf = FPDF()
        pdf.set_font("Helvetica", size=11)
        for number, text in enumerate(pages, 1):
            pdf.add_page()
            if headings and number in headings:
                pdf.start_section(headings[number])
                pdf.multi_cell(0, 8, headings[number], new_x="LMARGIN", new_y="NEXT")
            if text:
                pdf.multi_cell(0, 6, text)
        if password:
            pdf.set_encryption(owner_password="owner", user_password=password)
        path = tmp_path / name
        pdf.output(str(path))
        return path

    return make
