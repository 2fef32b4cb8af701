"""Text in page margins stays, unless it is a page number or repeats on page after page."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from rag_core.extract import Parser, Part
from services.rag_core.tests.pdfs import LIMITS, notes, paged, said, words

BODY = [f"Sentence {word} of the page tells of the harbour" for word in ("one", "two", "three", "four")]
ROMAN = ("i", "ii", "iii", "iv", "v", "vi")


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def written(path: Path, pages: Sequence[tuple[str, str]], foot: str = "") -> Path:
    """A PDF whose pages have a line at the top and one at the bottom, far from the text."""
    contents = []
    for number, (head, last) in enumerate(pages, 1):
        body = (f"{line}, sheet number {number * 17}" for line in BODY)
        text = "".join(said(line, 40, 700 - 20 * n) for n, line in enumerate(body))
        last_lines = said(last, 40, 30) + (said(foot, 40, 15) if foot else "")
        contents.append(said(head, 40, 760) + text + last_lines)
    path.write_bytes(paged(contents))
    return path


KEPT = {
    "totals that differ": [f"Total due: {n} crowns" for n in (1284, 2907, 655, 3310, 77)],
    "totals of which two are the same": [f"Total due: {n} crowns" for n in (655, 2907, 655, 655, 77)],
    "dates": [f"Printed on {n} May 2024" for n in (3, 9, 11, 12, 30)],
    "years, which count along": [str(n) for n in range(2020, 2025)],
    "numbered exhibits, which count along": [f"Exhibit {n}" for n in range(1, 6)],
    "exhibits of so many": [f"Exhibit {n} of 5" for n in range(1, 6)],
    "exhibits of so many, with a stroke": [f"Exhibit {n}/5" for n in range(1, 6)],
    "cases with a dash": [f"Case 14 - {n} crowns" for n in range(1, 6)],
    "numbers of invoices, which count along": [f"Invoice {n}" for n in range(1001, 1006)],
    "lone words": ["Paid", "Open", "Paid", "Paid", "Open", "Paid", "Open"],
    "lone numbers": [str(n) for n in (90417, 48230, 11, 5, 402)],
    "numbers that stay the same": ["48", "12", "48", "12", "48", "7"],
    "amounts set apart": [f"Balance                      {n}" for n in (17, 4, 99, 12, 5)],
}


@pytest.mark.parametrize("what", KEPT)
@pytest.mark.parametrize("side", ["top", "foot"])
def test_what_tells_of_its_own_page_stays(parser: Parser, tmp_path: Path, what: str, side: str) -> None:
    lines = KEPT[what]
    other = [
        f"The clerk signs for {word}" for word in ("ebb", "flood", "slack", "neap", "spring", "wind", "rain")
    ]
    pages = [(a, b) if side == "top" else (b, a) for a, b in zip(lines, other, strict=False)]
    text = words(parser, written(tmp_path / "kept.pdf", pages))
    expected = Counter(" ".join(line.split()) for line in lines)
    for line, times in expected.items():
        assert len(re.findall(rf"(?<!\w){line}(?!\w)", text)) == times


RUNNING: dict[str, tuple[Callable[[int], str], int]] = {
    "page numbers": (lambda n: str(n), 0),
    "page numbers between dashes": (lambda n: f"- {n} -", 0),
    "Roman page numbers": (lambda n: ROMAN[n - 1], 0),
    "page x of y": (lambda n: f"Page {n} of 6", 0),
    "x of y in German": (lambda n: f"Seite {n} von 6", 0),
    "x/y": (lambda n: f"{n}/6", 0),
    "pages of a book from its middle": (lambda n: f"Page {n + 211}", 0),
    "a letterhead": (lambda n: "Penhallow and Daughters, Ship Chandlers", 1),
    "a footer with a number": (lambda n: f"Harbour rules of Elmhaven | {n}", 1),
    "a footer with page and edition": (lambda n: f"Harbour rules, edition 7, page {n}", 1),
    "a date of printing": (lambda n: "Printed on 3 May 2024", 1),
}


@pytest.mark.parametrize("what", RUNNING)
@pytest.mark.parametrize("side", ["top", "foot"])
def test_what_runs_through_the_pages_is_there_once(
    parser: Parser, tmp_path: Path, what: str, side: str
) -> None:
    line, kept = RUNNING[what]
    other = [f"The clerk signs for {word}" for word in ("ebb", "flood", "slack", "neap", "spring", "wind")]
    pages = [(line(n), own) if side == "top" else (own, line(n)) for n, own in enumerate(other, 1)]
    path = written(tmp_path / "run.pdf", pages)
    text = words(parser, path)
    found = sum(
        len(re.findall(rf"(?<!\w){re.escape(one)}(?!\w)", text)) for one in {line(n) for n in range(1, 7)}
    )
    assert found == kept
    assert [(note.count, note.read) for note in notes(parser, path) if note.part is Part.RUNNING_LINE] == [
        (6 - kept, True)
    ]


def test_title_on_even_pages_only_runs(parser: Parser, tmp_path: Path) -> None:
    pages = [("On Tides and Winds" if n % 2 else f"Own line {n * n}", f"Last {n * n}") for n in range(1, 9)]
    assert words(parser, written(tmp_path / "even.pdf", pages)).count("On Tides and Winds") == 1


def test_chapter_with_its_page_number_far_to_the_right_runs(parser: Parser, tmp_path: Path) -> None:
    contents = []
    for number in range(1, 7):
        lines = "".join(said(f"{line} {number * 17}", 40, 700 - 20 * n) for n, line in enumerate(BODY))
        head = said("Chapter 2: Harbours", 40, 760) + said(str(number), 540, 760)
        contents.append(head + lines)
    (tmp_path / "head.pdf").write_bytes(paged(contents))
    assert words(parser, tmp_path / "head.pdf").count("Chapter 2: Harbours") == 1


@pytest.mark.parametrize("pages", [1, 2])
def test_one_page_or_two_lose_nothing(parser: Parser, tmp_path: Path, pages: int) -> None:
    path = written(tmp_path / "few.pdf", [("Order 90417", "48230")] * pages, foot="7")
    text = words(parser, path)
    assert [text.count(one) for one in ("Order 90417", "48230")] == [pages, pages]
    assert text.endswith("7")
    assert notes(parser, path) == []


def test_line_of_a_form_letter_that_repeats_below_its_head_stays(parser: Parser, tmp_path: Path) -> None:
    """Each customer's letter has the same period and rate, and people search for them by customer name."""
    contents = []
    for number, name in enumerate(("Finch", "Crane", "Wren", "Lark"), 1):
        lines = [
            f"Account of {name}",
            "Period: first quarter",
            "Rate: 4 percent",
            *BODY[:number],
            "Sum: 70 crowns",
        ]
        contents.append("".join(said(line, 40, 640 - 20 * n) for n, line in enumerate(lines)))
    (tmp_path / "letters.pdf").write_bytes(paged(contents))
    text = words(parser, tmp_path / "letters.pdf")
    assert [text.count(one) for one in ("Period: first", "Rate: 4", "Sum: 70")] == [4, 4, 4]


LISTS = {
    "price list": ("Lobster soup, large bowl", "124"),
    "income statement": ("Net income", "1,853"),
    "price with a currency": ("Rhubarb cake", "27.50 EUR"),
    "negative amount": ("Loss of the year", "(4,310)"),
    "table of contents": ("2.1 The moon", "17"),
    "front matter": ("Preface", "xi"),
    "index": ("neap tide", "4, 17, 203"),
}


@pytest.mark.parametrize("dots", ["................", ". . . . . . . . .", " ........ ", "...."])
@pytest.mark.parametrize("what", LISTS)
def test_dots_that_lead_to_a_number_cost_no_line(
    parser: Parser, tmp_path: Path, what: str, dots: str
) -> None:
    name, number = LISTS[what]
    number = number.replace("(", "\\(").replace(")", "\\)")
    lines = [f"Item {word} of it{dots}{n}" for n, word in enumerate(("one", "two", "three"), 31)]
    content = "".join(
        said(text, 40, 700 - 14 * n) for n, text in enumerate([*lines, f"{name}{dots}{number}"])
    )
    (tmp_path / "list.pdf").write_bytes(paged([content]))
    text = words(parser, tmp_path / "list.pdf")
    assert re.search(rf"{re.escape(name)} ?\.+ ?{re.escape(LISTS[what][1])}", text), text
    assert "Item two of it" in text
