"""RTF as written by programs from several countries and years."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from rag_core.extract import Block, BlockKind, Head, Note
from rag_core.extract.blocks import Part, Unreadable
from rag_core.extract.child import guarded
from rag_core.extract.pictures import Recognition
from rag_core.models import DocumentKind

_FONTS = (
    r"{\fonttbl{\f0\fswiss\fcharset0 Arial;}{\f1\fnil\fcharset204 Arial Cyr;}"
    r"{\f2\fnil\fcharset128 MS Mincho;}"
    r"{\f3\fnil\fcharset2 Wingdings;}{\f4\fnil\fcharset2 Symbol;}{\f5\fnil\fcharset238 Arial CE;}}"
)


Read = Callable[..., list[object]]


@pytest.fixture
def rtf(tmp_path: Path) -> Read:
    def read(body: str | bytes, header: str = r"\ansi\ansicpg1252\deff0") -> list[object]:
        content = body if isinstance(body, bytes) else body.encode("latin-1")
        (tmp_path / "a.rtf").write_bytes(f"{{\\rtf1{header}{_FONTS}".encode() + content + b"}")
        return list(guarded(tmp_path / "a.rtf", DocumentKind.RTF, 10, Recognition(None)))

    return read


def texts(items: list[object]) -> list[str]:
    return [item.text for item in items if isinstance(item, Block)]


def unread(items: list[object]) -> list[str]:
    return [item.message for item in items if isinstance(item, Note) and not item.read]


def ole1(kind: str, content: bytes, form: int = 2, address: bytes = b"") -> str:
    """An OLE object in RTF's format, in hexadecimal digits."""

    def counted(data: bytes) -> bytes:
        return len(data).to_bytes(4, "little") + data

    made = (0x501).to_bytes(4, "little") + form.to_bytes(4, "little") + counted(kind.encode() + b"\0")
    return (made + counted(address) + counted(b"") + counted(content)).hex()


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (r"Gr\'fcnwald", "Grünwald"),
        (r"\f1\'cf\'f0\'e8\'e2\'e5\'f2", "Привет"),
        (r"\f2\'83\'5e\'83\'43\'83g\'83\'8b", "タイトル"),  # second bytes as \'hh and as plain letters
        (r"\f5\'e8e\'9atina", "čeština"),
        (r"\u1055?\u1088\'3f\u1080?!", "При!"),
        (r"{\uc2\u12371\'82\'b1\u12435\'82\'f1}", "こん"),
        (r"{\uc0\u8364 }9", "€9"),
        (r"\u-10240?\u-8398?\u-10240?\u-8385?", "\U00010332\U0001033f"),  # Gothic: two surrogates per letter
        (r"\{kept\} \\ and\~so", "{kept} \\ and so"),
        (r"{\upr{ascii ?}{\*\ud{Unicode \u1055?}}}", "Unicode П"),
        (r"a{\*\unknown {deep} hidden}b", "ab"),
        (r"{\i0\*\cs7 still here}", "still here"),  # a star in the middle of a group starts no destination
        (r"{\deleted old }{new}", "new"),
        (r"\f3\'fe\f0  Handrail \f3\'a8\f0  Lamp", "☑ Handrail ☐ Lamp"),
        (r"\f3\u-3842?\f0  Treads", "☑ Treads"),
        (r"\f4 abc\f0 ", "\u03b1\u03b2\u03c7"),
        (r"\f4 a\f0  is the angle", "\u03b1 is the angle"),
        (r"3 \emdash  4 \bullet  \lquote x\rquote", "3 — 4 • \u2018x\u2019"),
        (r"{\listtext 3.2\tab}Clause", "3.2\tClause"),
        (r"a{\pict\wmetafile8 \bin6 }}{{\\}b", "ab"),
    ],
)
def test_text_comes_in_its_own_letters(rtf: Read, body: str, expected: str) -> None:
    assert texts(rtf(body + r"\par "))[0] == expected


@pytest.mark.parametrize(
    ("header", "body", "expected"),
    [
        (r"\ansi\ansicpg1251", b"\\'cf\\'f0\\'e8", "При"),
        (r"\mac", b"Gr\\'9fn", "Grün"),
        (r"\pc", b"Gr\\'81n", "Grün"),
        (r"\ansi\ansicpg936", b"\\'d6\\'d0", "中"),
        (r"\ansi\ansicpg99999", b"Gr\\'fcn", "Grün"),
        (r"\ansi", "Grün geht\u2019s".encode(), "Grün geht\u2019s"),  # invalid, but occurs in practice
        (r"\ansi\ansicpg1252", "Grün".encode("cp1252"), "Grün"),
    ],
)
def test_text_comes_in_the_letters_of_its_document(
    rtf: Read, header: str, body: bytes, expected: str
) -> None:
    assert texts(rtf(body, header)) == [expected]


def test_the_title_and_the_headings_are_known(rtf: Read) -> None:
    found = rtf(
        r"{\stylesheet{\s0 Normal;}{\s3\b\snext0 heading 2;}}{\info{\title Gr\'fcn}{\author Nobody}}"
        r"\pard\s3 The Quay\par\pard Text.\par\pard\outlinelevel0 By level\par\pard\outlinelevel9 More.\par"
    )
    assert found[0] == Head(title="Grün", pages=1)
    assert [(b.kind, b.text, b.level) for b in found if isinstance(b, Block)] == [
        (BlockKind.HEADING, "The Quay", 2),
        (BlockKind.TEXT, "Text.", 0),
        (BlockKind.HEADING, "By level", 1),
        (BlockKind.TEXT, "More.", 0),
    ]


def test_a_table_keeps_its_rows_and_what_stands_around_it(rtf: Read) -> None:
    row = r"\trowd\pard\intbl {}\cell {}\par more\cell\row"
    found = rtf(
        r"Before\par" + row.format(" port", " depth") + row.format(" Brest", " 7|2") + r"\pard After\par"
    )
    assert texts(found) == ["Before", "| port | depth more |\n| --- | --- |\n| Brest | 7\\|2 more |", "After"]


def test_notes_comments_boxes_and_running_lines_are_read_once(rtf: Read) -> None:
    found = rtf(
        r"{\header Harbour office\par}{\headerf Harbour office\par}{\footer Page {\field{\*\fldinst PAGE}"
        r"{\fldrslt 7}}\par}Tides{\footnote\pard Seen at Brest.} turn.{\*\atnid BB}{\*\atnauthor Bartholomew}"
        r"\chatn{\*\annotation{\*\atndate 12}\pard Check the year.}"
        r"{\shp{\*\shpinst{\sp{\sn fFlipH}{\sv 0}}{\shptxt\pard Beware of the dog\par}}{\shprslt{\*\do "
        r"{\dptxbxtext Beware of the dog\par}}}}\par Next.\par"
    )
    text = texts(found)
    assert sorted(text) == sorted(
        [
            "Harbour office",
            "Tides turn.",
            "Footnote: Seen at Brest.",
            "Comment by Bartholomew: Check the year.",
            "Beware of the dog",
            "Next.",
        ]
    )
    assert text.index("Tides turn.") < text.index("Footnote: Seen at Brest.") < text.index("Next.")
    assert {item.part for item in found if isinstance(item, Note)} == {Part.NOTE, Part.COMMENT, Part.TEXT_BOX}


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (r"{\*\fldinst FORMCHECKBOX {\*\formfield{\fftype1\ffres1{\*\ffname C}}}}", "☑ paid"),
        (r"{\*\fldinst FORMCHECKBOX {\*\formfield{\fftype1\ffres25\ffdefres0}}}", "☐ paid"),
        (r"{\*\fldinst FORMDROPDOWN{\*\formfield{\fftype2\ffres1{\*\ffl Oak}{\*\ffl Elm}}}}", "Elm paid"),
        (r'{\*\fldinst SYMBOL 254 \\f "Wingdings"}{\fldrslt}', "☑ paid"),
        (r'{\*\fldinst HYPERLINK "https://example.org"}{\fldrslt the quay}', "the quay paid"),
    ],
)
def test_fields_show_what_a_person_sees(rtf: Read, field: str, expected: str) -> None:
    assert " ".join(texts(rtf(rf"{{\field{field}}} paid\par"))[0].split()) == expected


def test_an_embedded_file_is_read_and_the_picture_of_it_is_not_missed(rtf: Read) -> None:
    package = (
        b"\x02\0" + b"minutes.txt\0" + b"C:\\minutes.txt\0" + b"\0\0\3\0" + bytes(4)
        + (22).to_bytes(4, "little") + b"The windlass was lost."
    )  # fmt: skip
    found = rtf(
        r"See:{\object\objemb{\*\objclass Package}{\*\objdata " + ole1("Package", package) + r"}"
        r"{\result{\pict\wmetafile8 0100}}}\par"
    )
    assert texts(found) == ["See:", "Attachment: minutes.txt", "The windlass was lost."]
    assert unread(found) == []


def test_what_is_not_read_is_named(rtf: Read) -> None:
    link = ole1("Word.Document.12", b"", form=1, address=b"Q:\\plans\\harbour.docx\0")
    described = r"{\*\picprop{\sp{\sn wzDescription}{\sv A brass lantern}}}"
    found = rtf(
        rf"Seen.{{\object\objlink{{\*\objdata {link}}}{{\result as of May}}}}"
        rf"{{\*\shppict{{\pict\pngblip 89504e}}}}{{\nonshppict{{\pict\wmetafile8 0100}}}}"
        rf"{{\pict{described}\pngblip 8950}}\par"
    )
    assert texts(found) == ["Seen.as of May", "Picture: A brass lantern"]
    assert unread(found) == [
        "the linked file harbour.docx is not in the document; add it by itself",
        "a picture without a description, not read",
    ]


@pytest.mark.parametrize("body", [r"{\pict\pngblip 8950}", r"{\*\generator Nobody;}", ""])
def test_a_file_without_text_is_refused_as_that(rtf: Read, body: str) -> None:
    with pytest.raises(Unreadable) as refused:
        rtf(body)
    assert refused.value.code == "no_text"


@pytest.mark.parametrize("end", ["{\\b and goes on", "\\'e", "\\", "}}} and goes on", "{\\*\\objdata 01050"])
def test_a_broken_file_keeps_what_it_has(rtf: Read, end: str) -> None:
    assert texts(rtf(r"It begins\par " + end))[0] == "It begins"


@pytest.mark.parametrize("piece", [r'{\field{\*\fldinst{HYPERLINK "', r"\f1\fcharset", "{\\u", r"{\*\x "])
def test_hostile_markup_takes_time_in_proportion(rtf: Read, piece: str) -> None:
    """With backtracking patterns, 60 KB of the first piece took 40 seconds."""
    assert texts(rtf(r"Quay.\par " + piece * 3_000)) == ["Quay."]
