"""Text in pictures beside typed text is read in place; a picture that is not read is reported."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from rag_core.errors import ExtractionFailed
from rag_core.extract import Parser, Part
from services.rag_core.tests.pdfs import (
    LIMITS,
    dots,
    illustrated,
    notes,
    packed,
    picture,
    picture_rows,
    placed,
    said,
    words,
)

READING = replace(LIMITS, ocr_languages="eng", ocr_page_seconds=60)
HEAD = "".join(
    said("Penhallow and Daughters, ship chandlers since the year of the great storm, Quayside Terrace", 40, y)
    for y in (770, 758, 746, 734)
)
SEXTANT = ["Delivered: one brass sextant,", "signed for by Crispin Mallard"]
PRICE = ["The price of the lamp is", "seventy three guineas"]
GREY = bytes([128]) * 360_000


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(READING) as one:
        yield one


def saved(folder: Path, contents: list[str], pictures: list[bytes], more: str = "") -> Path:
    (folder / "one.pdf").write_bytes(illustrated(contents, pictures, more))
    return folder / "one.pdf"


def unread(parser: Parser, path: Path) -> list[str]:
    return [note.message for note in notes(parser, path) if not note.read]


def test_picture_under_a_typed_letterhead_is_read(parser: Parser, tmp_path: Path) -> None:
    path = saved(tmp_path, [HEAD + placed("I0", 0, 400, 600, 300)], [picture(SEXTANT)])
    assert words(parser, path).endswith(
        "Quayside Terrace Delivered: one brass sextant, signed for by Crispin Mallard"
    )
    assert [(n.part, n.count, n.read) for n in notes(parser, path)] == [(Part.PICTURE, 1, True)]


def test_scan_of_the_whole_page_with_typed_lines_over_it_is_read(parser: Parser, tmp_path: Path) -> None:
    scan = picture(["", "", "", *SEXTANT], (600, 800))
    path = saved(tmp_path, [placed("I0", 0, 0, 600, 800) + HEAD], [scan])
    assert "brass sextant" in words(parser, path)


def test_picture_of_text_stands_between_the_texts_around_it(parser: Parser, tmp_path: Path) -> None:
    below = said("Signed at Elmhaven before noon", 40, 300)
    path = saved(tmp_path, [HEAD + below + placed("I0", 0, 400, 600, 300)], [picture(SEXTANT)])
    text = words(parser, path)
    assert text.index("Terrace") < text.index("sextant") < text.index("Signed at Elmhaven")


def test_two_pictures_on_a_page_are_read_in_their_order(parser: Parser, tmp_path: Path) -> None:
    content = HEAD + placed("I1", 0, 50, 600, 300) + placed("I0", 0, 400, 600, 300)
    text = words(parser, saved(tmp_path, [content], [picture(SEXTANT), picture(PRICE)]))
    assert text.index("sextant") < text.index("seventy three guineas")


def test_picture_on_a_turned_page_is_read(parser: Parser, tmp_path: Path) -> None:
    lines = "".join(
        f"BT /F 10 Tf 0 1 -1 0 {40 + 13 * n} 20 Tm (The chandlers of Quayside Terrace, line {n}) Tj ET\n"
        for n in range(9)
    )
    content = lines + "q 0 600 -300 0 560 100 cm /I0 Do Q"
    assert "brass sextant" in words(parser, saved(tmp_path, [content], [picture(SEXTANT)], "/Rotate 90"))


def test_picture_inside_a_placed_drawing_is_read(parser: Parser, tmp_path: Path) -> None:
    form = packed(
        b"q 300 0 0 150 0 0 cm /P Do Q",
        "/Type/XObject/Subtype/Form/BBox[0 0 300 150]/Resources<</XObject<</P 6 0 R>>>>",
    )
    path = saved(tmp_path, [HEAD + "q 2 0 0 2 0 300 cm /I1 Do Q"], [picture(SEXTANT), form])
    assert "brass sextant" in words(parser, path)


def test_text_that_was_recognised_before_is_not_read_twice(parser: Parser, tmp_path: Path) -> None:
    """A scan with an invisible text layer from an earlier OCR."""
    hidden = "".join(
        f"BT 3 Tr /F 12 Tf 30 {760 - 13 * n} Td (The page says it in words that lie over the scan) Tj ET\n"
        for n in range(56)
    )
    scan = picture(SEXTANT, (600, 800))
    assert "sextant" not in words(parser, saved(tmp_path, [placed("I0", 0, 0, 600, 800) + hidden], [scan]))


def test_scan_in_strips_is_read_as_one_picture(parser: Parser, tmp_path: Path) -> None:
    """Each strip is too low to contain a line."""
    rows = picture_rows(SEXTANT)
    strips = [dots((1200, 30), rows[n * 36_000 : (n + 1) * 36_000]) for n in range(20)]
    content = HEAD + "".join(placed(f"I{n}", 0, 685 - 15 * n, 600, 15) for n in range(20))
    assert "brass sextant" in words(parser, saved(tmp_path, [content], strips))


def test_picture_on_page_after_page_is_read_once(parser: Parser, tmp_path: Path) -> None:
    contents = [HEAD + said(f"Letter {n}", 40, 300 + n) + placed("I0", 0, 400, 600, 300) for n in range(4)]
    assert words(parser, saved(tmp_path, contents, [picture(SEXTANT)])).count("sextant") == 1


def test_pictures_of_one_size_are_all_read(parser: Parser, tmp_path: Path) -> None:
    contents = [HEAD + placed(f"I{n}", 0, 400, 600, 300) for n in range(2)]
    text = words(parser, saved(tmp_path, contents, [picture(SEXTANT), picture(PRICE)]))
    assert "sextant" in text
    assert "guineas" in text


def test_pictures_without_text_are_named_together(parser: Parser, tmp_path: Path) -> None:
    contents = [HEAD + placed(f"I{n}", 0, 400, 600, 300) for n in range(3)]
    photographs = [dots((600, 600), bytes([90 + 40 * n]) * 360_000) for n in range(3)]
    assert unread(parser, saved(tmp_path, contents, photographs)) == ["pages 1 to 3: 3 pictures without text"]


def test_small_pictures_are_signs_and_are_passed_over(parser: Parser, tmp_path: Path) -> None:
    assert (
        notes(parser, saved(tmp_path, [HEAD + placed("I0", 500, 700, 60, 60)], [dots((600, 600), GREY)]))
        == []
    )


@pytest.mark.parametrize(("languages", "why"), [("", "switched off"), ("xxx", "no data for 'xxx'")])
def test_picture_that_nothing_can_read_is_named_with_the_reason(
    tmp_path: Path, languages: str, why: str
) -> None:
    path = saved(tmp_path, [HEAD + placed("I0", 0, 400, 600, 300)], [picture(SEXTANT)])
    with Parser(replace(READING, ocr_languages=languages)) as parser:
        (message,) = unread(parser, path)
    assert message.startswith("page 1: a picture was not read: ")
    assert why in message


def test_picture_that_fills_memory_costs_only_itself(parser: Parser, tmp_path: Path) -> None:
    bomb = dots((60_000, 60_000), bytes(100_000_000), 1)
    path = saved(tmp_path, [HEAD + placed("I0", 0, 400, 600, 300), said("The last page", 40, 700)], [bomb])
    assert words(parser, path).endswith("The last page")
    assert unread(parser, path) == ["page 1: a picture has 60,000 by 60,000 dots, too many to be read"]


def test_scan_that_fills_memory_says_so(parser: Parser, tmp_path: Path) -> None:
    path = saved(tmp_path, [placed("I0", 0, 0, 600, 800)], [dots((60_000, 60_000), bytes(1_000_000), 1)])
    with pytest.raises(ExtractionFailed) as caught:
        words(parser, path)
    assert (caught.value.code, "60,000 by 60,000 dots" in str(caught.value)) == ("no_text", True)


@pytest.mark.parametrize(
    "box", ["0 0 200000 200000", "0 0 9000000 3", "0 0 0 0", "-700 -900 0 0", "0 0 -5 nan"]
)
def test_page_of_an_odd_size_keeps_its_text(parser: Parser, tmp_path: Path, box: str) -> None:
    data = illustrated([HEAD + placed("I0", 0, 400, 600, 300)], [dots((600, 600), GREY)])
    (tmp_path / "odd.pdf").write_bytes(data.replace(b"0 0 600 800", box.encode()))
    assert "great storm" in words(parser, tmp_path / "odd.pdf")
