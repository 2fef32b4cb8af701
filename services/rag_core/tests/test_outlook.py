"""Outlook messages in the code pages of their authors, and OLE objects in Office files."""

from __future__ import annotations

import struct
from pathlib import Path
from types import SimpleNamespace

import pytest

from rag_core.extract import Block, outlook
from rag_core.extract.blocks import Item
from rag_core.extract.child import guarded
from rag_core.extract.embedded import embedded
from rag_core.extract.pictures import Recognition
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests import office
from services.rag_core.tests.compound import compound, message


def read(path: Path) -> str:
    assert sniff(path, path.name) is DocumentKind.EMAIL
    return said(list(guarded(path, DocumentKind.EMAIL, 50, Recognition(None))))


def said(items: list[Item]) -> str:
    return "\n".join(one.text for one in items if isinstance(one, Block))


LETTERS = {
    950: ("cp950", "港口費用每年三月到期"),
    936: ("gbk", "港口费用每年三月到期镕"),
    932: ("cp932", "港の料金は三月に支払う"),
    949: ("cp949", "항구 요금은 삼월에 낸다"),
    1251: ("cp1251", "Плата за якорь"),
    874: ("cp874", "ค่าท่าเรือ"),
    20866: ("koi8-r", "Плата за якорь"),
    28592: ("iso8859-2", "Přístavní poplatek"),
    65001: ("utf-8", "Přístavní poplatek 港口"),
}


@pytest.mark.parametrize("code_page", LETTERS)
def test_message_is_read_in_its_code_page(tmp_path: Path, code_page: int) -> None:
    codec, letters = LETTERS[code_page]
    path = tmp_path / "m.msg"
    path.write_bytes(message(letters.encode(codec), code_page, subject=letters.encode(codec)))
    assert read(path) == f"Subject: {letters}\n{letters}"


@pytest.mark.parametrize("code_page", [950, 1251])
def test_page_of_a_message_is_read_in_its_code_page(tmp_path: Path, code_page: int) -> None:
    codec, letters = LETTERS[code_page]
    path = tmp_path / "m.msg"
    path.write_bytes(message(b"", code_page, html=f"<p>{letters}</p>".encode(codec)))
    assert letters in read(path)


@pytest.mark.parametrize("code_page", [20936, 4711, 0, 50936])
def test_unknown_code_page_costs_no_letter_that_utf8_has(tmp_path: Path, code_page: int) -> None:
    path = tmp_path / "m.msg"
    path.write_bytes(message("Přístavní poplatek 港口".encode(), code_page))
    assert "Přístavní poplatek 港口" in read(path)


def test_byte_that_the_code_page_lacks_costs_one_letter(tmp_path: Path) -> None:
    letters = LETTERS[950][1]
    path = tmp_path / "m.msg"
    path.write_bytes(message(letters.encode("cp950") + b"\xff", 950))
    assert letters in read(path)


DOCX = office.whole("docx", "The lamp burns colza oil.")
LABEL = b"\x02\0lamp.docx\0C:\\lamp.docx\0\0\0\x03\0" + struct.pack("<I", 6) + b"C:\\a.b"
OBJECTS = {
    "a package": {"Package": DOCX},
    "contents": {"CONTENTS": DOCX},
    "a labelled file": {"\x01Ole10Native": b"\0\0\0\0" + LABEL + struct.pack("<I", len(DOCX)) + DOCX},
    "a file without a label": {"\x01Ole10Native": struct.pack("<I", len(DOCX)) + DOCX},
}


@pytest.mark.parametrize("how", OBJECTS)
def test_object_of_an_office_file_is_unpacked(how: str) -> None:
    items = list(
        embedded(compound(OBJECTS[how]), "object 1", lambda p, k: guarded(p, k, 50, Recognition(None), 1), 1)
    )
    assert "The lamp burns colza oil." in said(items)


@pytest.mark.parametrize(
    ("stream", "expected"),
    [
        ("WordDocument", "Word's format of before 2007"),
        ("Workbook", "Excel's format of before 2007"),
        ("PowerPoint Document", "PowerPoint's format of before 2007"),
        ("EncryptedPackage", "password"),
    ],
)
def test_object_that_cannot_be_read_is_named(stream: str, expected: str) -> None:
    items = list(
        embedded(
            compound({stream: b"x"}), "object 1", lambda p, k: guarded(p, k, 50, Recognition(None), 1), 1
        )
    )
    assert "The attached file object 1 was not read: 'object 1' is" in said(items)
    assert expected in said(items)


def recipient(kind: int | None, name: str) -> SimpleNamespace:
    properties = SimpleNamespace(int_prop_value=lambda pid: kind)
    return SimpleNamespace(name=name, email_address=f"{name}@example.org", properties=properties)


def test_copies_are_shown_apart() -> None:
    kinds = [(2, "cy"), (1, "ada"), (3, "di"), (0x10000002, "ed"), (None, "bo"), (0x10000001, "fay")]
    assert outlook.people(recipient(kind, name) for kind, name in kinds) == {
        "To": "ada <ada@example.org>, bo <bo@example.org>, fay <fay@example.org>",
        "Cc": "cy <cy@example.org>, ed <ed@example.org>",
        "Bcc": "di <di@example.org>",
    }
