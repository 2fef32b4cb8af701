"""Right-to-left and East Asian scripts are extracted as people read them, in every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from rag_core.extract import Block, Parser
from rag_core.extract.sniff import sniff
from services.rag_core.tests import office
from services.rag_core.tests.pdfs import LIMITS, east_asian, right_to_left

WRITTEN = {
    "Hebrew": "המגדלור נבנה בצפון",
    "Arabic": "بنى المهندس منارة الساحل القديم",
    "Chinese": "灯塔看守每晚爬二百一十二级台阶。",
    "Japanese": "灯台守は毎晩二百十二段の階段を上る。",
    "Korean": "등대지기는 매일 밤 계단을 오른다.",
}
FORMATS: dict[str, Callable[[str], bytes]] = {
    "txt": str.encode,
    "utf-16.txt": lambda text: text.encode("utf-16"),
    "md": str.encode,
    "html": lambda text: f"<!doctype html><html><body><p>{text}</p></body></html>".encode(),
    **{kind: partial(office.whole, kind) for kind in (*office.PARTS, "eml")},
}
ENCODINGS = {
    "Chinese": ("GB1", "UniGB-UCS2-H"),
    "Japanese": ("Japan1", "UniJIS-UCS2-H"),
    "Korean": ("Korea1", "UniKS-UCS2-H"),
}


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, path: Path, content: bytes) -> list[str]:
    path.write_bytes(content)
    items = parser.parse(path, sniff(path, path.name))
    return [line for item in items if isinstance(item, Block) for line in item.text.split("\n")]


@pytest.mark.parametrize("ending", FORMATS)
@pytest.mark.parametrize("script", WRITTEN)
def test_script_survives(parser: Parser, tmp_path: Path, script: str, ending: str) -> None:
    lines = read(parser, tmp_path / f"x.{ending}", FORMATS[ending](WRITTEN[script]))
    assert any(WRITTEN[script] in line for line in lines), lines


@pytest.mark.parametrize("script", ["Hebrew", "Arabic"])
def test_right_to_left_pdf_is_read_in_its_own_direction(parser: Parser, tmp_path: Path, script: str) -> None:
    """Its letters are stored in drawing order from the left, so the last one comes first."""
    assert read(parser, tmp_path / "x.pdf", right_to_left(WRITTEN[script])) == [WRITTEN[script]]


def test_arabic_letters_drawn_in_their_shapes_are_plain_letters(parser: Parser, tmp_path: Path) -> None:
    """Older programs write the contextual shapes of letters; people search with the letters themselves."""
    shapes = "\ufee3\ufee8\ufe8e\ufead\ufe93"
    assert read(parser, tmp_path / "x.pdf", right_to_left(shapes)) == ["منارة"]


@pytest.mark.parametrize("script", ENCODINGS)
def test_east_asian_pdf_without_its_fonts_is_read(parser: Parser, tmp_path: Path, script: str) -> None:
    content = east_asian(WRITTEN[script], *ENCODINGS[script])
    assert read(parser, tmp_path / "x.pdf", content) == [WRITTEN[script]]
