"""Each page of docs/decisions has what CONTRIBUTING.md demands, so that a choice can be judged again."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

PAGES = sorted((Path(__file__).parents[3] / "docs/decisions").glob("*.md"))
WANTED = ["Context", "Cost", "Decision", "What would change our mind"]
LAST = WANTED[-1]
# A section begins with its name in bold: "**Cost.** A container.", also "**Data** from ...".
SECTION = re.compile(r"^\*\*(.+?)[.:]?\*\*(.*?)(?=^\*\*|\Z)", re.MULTILINE | re.DOTALL)


def sections(text: str) -> dict[str, str]:
    """A page's sections in their order: name and text."""
    return {name: body.strip() for name, body in SECTION.findall(text)}


def missing(text: str) -> list[str]:
    """The sections that a page lacks or leaves empty."""
    found = sections(text)
    return [name for name in WANTED if not found.get(name)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_has_context_choice_cost_and_what_would_change_it(page: Path) -> None:
    assert missing(page.read_text()) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_decision_ends_with_what_would_change_it(page: Path) -> None:
    assert list(sections(page.read_text()))[-1] == LAST


def test_a_page_without_a_section_or_with_an_empty_one_is_found() -> None:
    """Shows that the check above can fail."""
    text = "# 1: A choice\n\n**Context.** So it is.\n\n**Decision.** This.\n\n**Cost.**\n"
    assert missing(text) == ["Cost", LAST]
