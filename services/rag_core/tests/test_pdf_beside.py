"""PDF content besides page text is read or reported: forms, notes, stamps, embedded files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core.errors import ExtractionFailed
from rag_core.extract import Parser, Part
from services.rag_core.tests.pdfs import LIMITS, annotated, form, notes, said, with_files, words

TEXT = said("Agreement on the use of the slipway", 40, 700)


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def saved(folder: Path, data: bytes) -> Path:
    (folder / "one.pdf").write_bytes(data)
    return folder / "one.pdf"


ON, OFF = "/Rect[160 600 172 612]", "/Rect[160 580 172 592]"
FIELDS = {
    "text": ["/FT/Tx/T(a)/V(Weatherstone)/Rect[160 600 360 612]"],
    "text in UTF-16": ["/FT/Tx/T(a)/V<FEFF00C400720069>/Rect[160 600 360 612]"],
    "text of several lines": ["/FT/Tx/Ff 4096/T(a)/V(Pier four\\rElmhaven)/Rect[160 600 360 612]"],
    "a choice that is shown otherwise": [
        "/FT/Ch/Ff 131072/T(a)/V(p)/Opt[[(p)(Patron)][(g)(Guest)]]/Rect[160 600 360 612]"
    ],
    "a list with two chosen": [
        "/FT/Ch/Ff 2097152/T(a)/V[(rope)(tar)]/Opt[(rope)(oakum)(tar)]/Rect[160 600 360 640]"
    ],
    "a box that is ticked": [f"/FT/Btn/T(a)/V/Yes/AS/Yes/AP<</N<</Yes 4 0 R/Off 4 0 R>>>>{ON}"],
    "a box that is not": [f"/FT/Btn/T(a)/V/Off/AS/Off/AP<</N<</Yes 4 0 R/Off 4 0 R>>>>{ON}"],
}
SAID = {
    "text": "Surname: Weatherstone",
    "text in UTF-16": "Surname: \u00c4ri",
    "text of several lines": "Surname: Pier four Elmhaven",
    "a choice that is shown otherwise": "Surname: Patron",
    "a list with two chosen": "Surname: rope, tar",
    "a box that is ticked": "Insured: yes",
    "a box that is not": "Insured: no",
}


@pytest.mark.parametrize("what", FIELDS)
def test_field_is_read_with_the_words_beside_it(parser: Parser, tmp_path: Path, what: str) -> None:
    """None has an appearance stream for its value: programs that fill in forms often omit it."""
    path = saved(tmp_path, form(FIELDS[what], TEXT + said("Surname:", 40, 602) + said("Insured", 180, 602)))
    text = words(parser, path)
    assert SAID[what] in text
    assert [(n.part, n.count, n.read) for n in notes(parser, path)] == [(Part.FORM_FIELD, 1, True)]


def test_value_that_fields_of_one_name_share_is_read(parser: Parser, tmp_path: Path) -> None:
    data = form(["/Parent 7 0 R/Rect[160 600 360 612]"], TEXT + said("Surname:", 40, 602))
    more = b"7 0 obj\n<</FT/Tx/T(a)/V(Weatherstone)/Kids[6 0 R]>>\nendobj\n"
    data = data.replace(b"/Fields[6 0 R]", b"/Fields[7 0 R]").replace(b"xref\n0 7", more + b"xref\n0 7")
    assert "Surname: Weatherstone" in words(parser, saved(tmp_path, data))


def test_radio_buttons_say_which_one_is_chosen(parser: Parser, tmp_path: Path) -> None:
    box = "/FT/Btn/Ff 32768/T(cabin)/AP<</N<</{0} 4 0 R/Off 4 0 R>>>>/V/first"
    data = form(
        [f"{box.format('first')}/AS/first{ON}", f"{box.format('second')}/AS/Off{OFF}"],
        TEXT + said("First class", 180, 602) + said("Second class", 180, 582),
    )
    assert "cabin: First class" in words(parser, saved(tmp_path, data))


def test_fields_are_read_from_the_top_to_the_foot(parser: Parser, tmp_path: Path) -> None:
    rows = [f"/FT/Tx/T(f{y})/TU(Row {y})/V(v{y})/Rect[160 {y} 360 {y + 12}]" for y in (300, 500, 400)]
    assert "Row 500: v500 Row 400: v400 Row 300: v300" in words(parser, saved(tmp_path, form(rows, TEXT)))


def test_xfa_form_that_shows_no_text_is_refused_by_its_name(parser: Parser, tmp_path: Path) -> None:
    data = form([], said("Please wait... to view this, upgrade Adobe Reader", 40, 700), "/XFA(x)")
    with pytest.raises(ExtractionFailed) as caught:
        words(parser, saved(tmp_path, data))
    assert caught.value.code == "xfa_form"
    assert "print it to a new PDF" in str(caught.value)


def test_xfa_form_with_plain_fields_is_read_with_a_note(parser: Parser, tmp_path: Path) -> None:
    path = saved(tmp_path, form(FIELDS["text"], TEXT + said("Surname:", 40, 602), "/XFA(x)"))
    assert "Surname: Weatherstone" in words(parser, path)
    assert [n.message for n in notes(parser, path) if not n.read and "XFA form" in n.message]


AT = "/Rect[100 600 200 620]"
NOTES = {
    "a note": (
        f"/Subtype/Text/Contents(Ninety-seven days)/T(Brannigan){AT}",
        "Note by Brannigan: Ninety-seven days",
    ),
    "text on the page": (f"/Subtype/FreeText/Contents(Fee waived){AT}", "Fee waived"),
    "text on the page in rich text alone": (
        f"/Subtype/FreeText/RC(<?xml version='1.0'?><body><p>Fee <b>waived</b></p></body>){AT}",
        "Text: Fee waived",
    ),
    "a note in rich text alone": (
        f"/Subtype/Text/RC(<body><p>Ninety days</p></body>){AT}",
        "Note: Ninety days",
    ),
    "a stamp": (f"/Subtype/Stamp/Name/Approved{AT}", "Stamp: Approved"),
    "a stamp with words": (f"/Subtype/Stamp/Name/X/Contents(Received 3 May){AT}", "Stamp: Received 3 May"),
    "a remark on marked words": (
        f"/Subtype/Highlight/Contents(Why here?)/QuadPoints[38 712 300 712 38 696 300 696]{AT}",
        'on "Agreement on the use of the slipway": Why here?',
    ),
    "an insertion": (f"/Subtype/Caret/Contents(northern){AT}", "Insertion: northern"),
    "a remark on a drawing": (f"/Subtype/Square/Contents(Measure again){AT}", "Note: Measure again"),
    "words struck out": (f"/Subtype/StrikeOut/Contents(Not agreed){AT}", "Struck out: Not agreed"),
}


@pytest.mark.parametrize("what", NOTES)
def test_what_readers_wrote_is_read(parser: Parser, tmp_path: Path, what: str) -> None:
    entries, expected = NOTES[what]
    path = saved(tmp_path, annotated([entries], TEXT))
    assert expected in words(parser, path)
    assert [(n.part, n.count) for n in notes(parser, path)] == [(Part.COMMENT, 1)]


def test_links_are_no_notes(parser: Parser, tmp_path: Path) -> None:
    path = saved(tmp_path, annotated([f"/Subtype/Link/A<</S/URI/URI(http://a.example)>>{AT}"], TEXT))
    assert words(parser, path) == "Agreement on the use of the slipway"
    assert notes(parser, path) == []


def test_page_with_notes_and_nothing_else_is_read(parser: Parser, tmp_path: Path) -> None:
    assert "Ninety-seven" in words(parser, saved(tmp_path, annotated([NOTES["a note"][0]], "")))


FILES = {
    "figures.txt": b"The Ottoline survey counted 411 puffins.",
    "figures.csv": b"bird,count\npuffin,411\nshag,12\ngannet,7\n",
    "figures.md": b"# Survey\n\nIt counted 411 puffins.\n",
    "figures.pdf": annotated([], said("It counted 411 puffins", 40, 700)),
}


@pytest.mark.parametrize("name", FILES)
def test_file_inside_is_read_as_a_part(parser: Parser, tmp_path: Path, name: str) -> None:
    path = saved(tmp_path, with_files([(name, FILES[name])], TEXT))
    text = words(parser, path)
    assert f"Attachment: {name}" in text
    assert "411" in text
    assert f"attachment {name} was read as part of this document" in [n.message for n in notes(parser, path)]


def test_file_pinned_to_a_page_is_read(parser: Parser, tmp_path: Path) -> None:
    pin = f"/Subtype/FileAttachment/FS<</Type/Filespec/F(a.txt)/EF<</F 6 0 R>>>>/Contents(see the survey){AT}"
    more = ["<</Type/EmbeddedFile/Length 12>>\nstream\n411 puffins.\nendstream"]
    text = words(parser, saved(tmp_path, annotated([pin], TEXT, more)))
    assert "see the survey" in text
    assert "411 puffins" in text


def test_portfolio_is_all_its_files(parser: Parser, tmp_path: Path) -> None:
    data = with_files([("<1>a.txt", b"Ebb at nine."), ("<1>b.txt", b"Flood at three.")], "")
    text = words(parser, saved(tmp_path, data))
    assert "Attachment: a.txt Ebb at nine. Attachment: b.txt Flood at three." in text


UNREAD = {
    "of no kind that is read": ("lamp.bin", bytes(range(256)) * 9),
    "that unpacks to more than may be attached": ("bomb.txt", bytes(40_000_000)),
    "that is damaged": ("torn.pdf", b"%PDF-1.7\nnothing of it is left"),
}


@pytest.mark.parametrize("what", UNREAD)
def test_file_inside_that_is_not_read_is_named_and_costs_nothing_else(
    parser: Parser, tmp_path: Path, what: str
) -> None:
    name, data = UNREAD[what]
    path = saved(tmp_path, with_files([(name, data), ("a.txt", b"Ebb at nine.")], TEXT))
    text = words(parser, path)
    assert "slipway" in text
    assert "Ebb at nine." in text
    assert f"The attached file {name} was not read: " in text
    assert [
        n.message.startswith(f"attachment {name} was not read: ") for n in notes(parser, path) if not n.read
    ] == [True]


def test_files_inside_files_are_read_to_a_depth(parser: Parser, tmp_path: Path) -> None:
    data = with_files([("last.txt", b"The innermost word.")], TEXT)
    for depth in range(6):
        data = with_files([(f"inner{depth}.pdf", data)], TEXT)
    path = saved(tmp_path, data)
    assert "innermost" not in words(parser, path)
    assert any("too deep" in n.message for n in notes(parser, path) if not n.read)


def test_more_than_a_hundred_files_inside_are_counted(parser: Parser, tmp_path: Path) -> None:
    path = saved(tmp_path, with_files([(f"{n}.txt", f"word {n}".encode()) for n in range(103)], TEXT))
    assert [n.count for n in notes(parser, path) if not n.read] == [3]
