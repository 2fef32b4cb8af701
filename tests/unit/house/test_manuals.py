"""The manuals that tests read are found on each distribution that the tests run on."""

from __future__ import annotations

from pathlib import Path

import pytest
from fpdf import FPDF

from tests.eval import manuals


@pytest.mark.parametrize("version", [15, 16, 17])
def test_the_manual_of_this_distributions_postgresql_is_found(version: int) -> None:
    """The output of apt-cache on Debian 12, Ubuntu 24.04 and Debian 13."""
    message = f"postgresql-doc\n  Depends: postgresql-doc-{version}\n"
    assert manuals.newest_of(message) == f"postgresql-doc-{version}"


def test_a_machine_without_package_lists_is_reported(tmp_path: Path) -> None:
    """The message says what to do, instead of a traceback."""
    with pytest.raises(AssertionError, match="apt-get update"):
        manuals.newest_of("")


def test_a_heading_is_told_from_its_entry_among_the_contents(tmp_path: Path) -> None:
    """Editions of a manual move a section to another page; the test must find the right one."""
    book = FPDF()
    book.set_font("Helvetica", size=12)
    for line in ("3.1 Modes ........ 14", "as 3.1 Modes says", "3.1 Modes"):
        book.add_page()
        book.cell(text=line)
    book.output(str(tmp_path / "book.pdf"))
    assert manuals.pages_with_line(tmp_path / "book.pdf", "3.1 Modes") == {3}
