"""Links in the documentation work, and every page that a file of this repository names exists."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
LINK = re.compile(r"\]\((?!https?://|mailto:)([^)#\s]*)(?:#([^)\s]+))?\)")
NAMED = re.compile(r"(?<![\w./-])docs/[\w./-]*\w")
HEADING = re.compile(r"^#+ +(.+?) *$", re.MULTILINE)
CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
# A page and one of its headings, as messages name them: docs/x.md, "Heading", or docs/x.md ('Heading').
QUOTED = re.compile(r"(docs/[\w/-]+\.md)(?:, | \()[\"'“]([^\"'”]+)[\"'”]")
HISTORY = "CHANGELOG.md"
"""The changelog names pages as they were called at the time."""


def tracked() -> list[Path]:
    """The files of this checkout, including new ones."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [ROOT / name for name in sorted(set(listed.stdout.split("\0"))) if (ROOT / name).is_file()]


@cache
def text_of(path: Path) -> str:
    """A file's text; empty for a binary file."""
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return ""


@cache
def anchors(page: Path) -> frozenset[str]:
    """The anchors that GitHub creates for a page's headings."""
    found: list[str] = []
    for heading in HEADING.findall(CODE.sub("", text_of(page))):
        plain = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.append(f"{plain}-{found.count(plain)}" if plain in found else plain)
    return frozenset(found)


def missing_names(text: str) -> list[str]:
    """The `docs/...` paths that a text names and that do not exist."""
    return sorted({name for name in NAMED.findall(text) if not (ROOT / name).exists()})


def broken_links(page: Path, text: str) -> list[str]:
    """The relative links of a page that lead nowhere, or to a heading that does not exist."""
    broken = []
    for target, anchor in LINK.findall(CODE.sub("", text)):
        goal = page.parent / target if target else page
        if not goal.exists() or (anchor and goal.suffix == ".md" and anchor not in anchors(goal.resolve())):
            broken.append(f"{target}#{anchor}" if anchor else target)
    return broken


PAGES = [path for path in tracked() if path.suffix == ".md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    """Otherwise the reader who needs the link finds that it is broken."""
    assert broken_links(page, text_of(page)) == []


def test_every_page_that_is_named_exists() -> None:
    """An error message that names a page is read by someone who is in trouble already."""
    named = {
        str(path.relative_to(ROOT)): missing
        for path in tracked()
        if path.name not in {HISTORY, Path(__file__).name} and (missing := missing_names(text_of(path)))
    }
    assert named == {}


def test_every_heading_that_a_message_quotes_exists() -> None:
    """A reference to a heading helps only if the page has it."""
    wrong = [
        f"{path.relative_to(ROOT)}: {page}, {heading!r}"
        for path in tracked()
        if path.name not in {HISTORY, Path(__file__).name}
        for page, heading in QUOTED.findall(text_of(path))
        if heading not in HEADING.findall(text_of(ROOT / page))
    ]
    assert wrong == []


def test_a_name_and_a_link_that_lead_nowhere_are_found(tmp_path: Path) -> None:
    """Shows that the checks above can fail."""
    page = tmp_path / "page.md"
    page.write_text("# One page\n\n[a](other.md) [b](#one-page) [c](#no-such) [d](page.md#one-page)\n")
    assert broken_links(page, page.read_text()) == ["other.md", "#no-such"]
    text = "see docs/no-such-page.md, docs/decisions/ and docs/picture.svg"
    assert missing_names(text) == ["docs/no-such-page.md"]
