"""HTML as programs write it, and other kinds of text than prose: each is read as what it is, or refused."""

from __future__ import annotations

import base64
import json
import random
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from lxml import etree

from rag_core.errors import UploadRefused
from rag_core.extract import Block, Limits, Note, Parser
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests import office

LIMITS = Limits(stall_seconds=60, cpu_seconds=60, memory_mib=1024, max_pages=50)
BLOB = "QmFzZTY0IGRhdGE9K3x0Y1dLm5pQz0A7" * 40


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, path: Path, content: str | bytes, kind: DocumentKind) -> tuple[str, list[Note]]:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert sniff(path, path.name) is kind
    items = list(parser.parse(path, kind))
    text = "\n".join(item.text for item in items if isinstance(item, Block))
    return text, [item for item in items if isinstance(item, Note)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<form><div><p>Dredged by the Perseverance.</p></div></form>", "Dredged by the Perseverance."),
        ("<label>Customer</label><input value='Philomena Garrick'>", "Customer Philomena Garrick"),
        ("<p>Colour <select><option>Ochre<option selected>Vermilion</select></p>", "Colour Vermilion"),
        ("<p>Paid <input type=checkbox checked> Sent <input type=checkbox></p>", "Paid [x] Sent [ ]"),
        ("<fieldset><legend>Crew</legend><textarea>Ada and Bo</textarea></fieldset>", "Ada and Bo"),
        ("<p>See <img src=x alt='the lighthouse at dusk'> here</p>", "See the lighthouse at dusk here"),
        ("<svg><title>Plan</title><text>North <tspan>mole</tspan></text></svg>", "North mole"),
        ("<noscript><p>Shown without scripts.</p></noscript>", "Shown without scripts."),
        ("<noscript>Shown</noscript>\n<noscript>without scripts.</noscript>", "Shown without scripts."),
        ("<details><summary>More</summary><p>Hidden depth</p></details>", "Hidden depth"),
        (
            "<table><tr><td>Lantern</td><td>38</td><td><table><tr><td>x</td></tr></table></td></tr></table>",
            "Lantern 38",
        ),
        ("<dl><dt>Keeper</dt><dd>Ada</dd></dl>", "Keeper\nAda"),
        ("<p>Out</p><iframe srcdoc='&lt;p&gt;In the frame&lt;/p&gt;'>none</iframe>", "Out\nIn the frame"),
        (
            "<table><tr><td><iframe srcdoc='<table><tr><td>Berth</td><td>9</td></tr></table>'></iframe></td>"
            "</tr></table>",
            "| Berth | 9 |",
        ),
        ('<iframe srcdoc="<iframe srcdoc=&quot;Frame in frame&quot;></iframe>"></iframe>', "Frame in frame"),
        ("<object type='application/x-shape'><div><p>Chapter one</p></div></object>", "Chapter one"),
        ("<object data='x.swf'><p>Lamps: 12</p></object>", "Lamps: 12"),
    ],
)
def test_what_a_page_shows_is_read(parser: Parser, tmp_path: Path, body: str, expected: str) -> None:
    page = f"<!DOCTYPE html><html><body>{body}</body></html>"
    assert expected in read(parser, tmp_path / "a.html", page, DocumentKind.HTML)[0]


@pytest.mark.parametrize(
    ("picture", "unread"),
    [
        (f"<img src='data:image/png;base64,{BLOB}'>", 1),
        (f"<img alt='' src='data:image/png;base64,{BLOB}'>" * 3, 3),
        (f"<img alt='The lamp at dusk' src='data:image/png;base64,{BLOB}'>", 0),
        (f"<img src='data:image/png;base64,{BLOB * 9}' alt='The lamp at dusk'>", 0),
        ("<img src='lamp.png'>", 0),
    ],
    ids=["no words", "three with none", "described", "described behind", "another file"],
)
def test_pictures_within_a_page_are_named(parser: Parser, tmp_path: Path, picture: str, unread: int) -> None:
    page = f"<html><body><p>Text</p>{picture}</body></html>"
    _, notes = read(parser, tmp_path / "a.html", page, DocumentKind.HTML)
    assert sum(note.count for note in notes if not note.read) == unread


@pytest.mark.parametrize("kind", ["hidden", "password", "submit", "button"])
def test_fields_that_nobody_reads_are_left_out(parser: Parser, tmp_path: Path, kind: str) -> None:
    page = f"<html><body><p>Text</p><input type={kind} value=wEPDwUKLTQ5></body></html>"
    assert "wEPDw" not in read(parser, tmp_path / "a.html", page, DocumentKind.HTML)[0]


def test_cells_over_several_rows_and_columns_keep_their_places(parser: Parser, tmp_path: Path) -> None:
    page = (
        "<html><table><tr><th rowspan=2>Port</th><th colspan=2>Summer</th><th>Winter</th></tr>"
        "<tr><th>Day</th><th>Night</th><th>Day</th></tr><tr><td>Elm</td><td>1</td><td>2</td><td>3</td></tr></table>"
    )
    lines = read(parser, tmp_path / "a.html", page, DocumentKind.HTML)[0].splitlines()
    assert [lines[0], *lines[2:]] == [
        "| Port | Summer |  | Winter |",
        "| Port | Day | Night | Day |",
        "| Elm | 1 | 2 | 3 |",
    ]


@pytest.mark.parametrize("charset", ["iso-8859-1", "latin1", "windows-1252", "us-ascii"])
def test_a_page_in_latin1_means_windows_1252(parser: Parser, tmp_path: Path, charset: str) -> None:
    page = f"<html><head><meta charset={charset}></head><body><p>L’œuvre coûte 7 €</p></body></html>"
    text, _ = read(parser, tmp_path / "a.html", page.encode("cp1252"), DocumentKind.HTML)
    assert "L’œuvre coûte 7 €" in text


@pytest.mark.parametrize("name", ["export.xls", "page", "saved.aspx"])
def test_a_table_under_another_name_is_html(parser: Parser, tmp_path: Path, name: str) -> None:
    text, _ = read(
        parser, tmp_path / name, "<table><tr><td>Vessel</td><td>Berth</td></tr></table>", DocumentKind.HTML
    )
    assert "| Vessel | Berth |" in text


def test_rtf_gives_its_words_in_their_letters(parser: Parser, tmp_path: Path) -> None:
    rtf = (
        r"{\rtf1\ansi\ansicpg1252{\fonttbl{\f0 Calibri;}}\f0 Hafenmeister Gr\'fcnwald\par "
        r"\u1055?\u1088?\u1080?\par {\pict\pngblip " + "89504e47" * 60 + "}}"
    )
    text, notes = read(parser, tmp_path / "a.rtf", rtf, DocumentKind.RTF)
    assert "Hafenmeister Grünwald" in text
    assert "При" in text
    assert "fonttbl" not in text
    assert [note.read for note in notes] == [False]


def test_a_notebook_gives_text_and_code_and_names_its_pictures(parser: Parser, tmp_path: Path) -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# Salinity\n", "Six stations."]},
        {
            "cell_type": "code",
            "source": "mean(x)",
            "outputs": [{"data": {"image/png": BLOB, "text/plain": ["34.5"]}}, {"text": ["done\n"]}],
        },
    ]
    text, notes = read(
        parser, tmp_path / "n.ipynb", json.dumps({"cells": cells, "nbformat": 4}), DocumentKind.NOTEBOOK
    )
    for content in ("Salinity", "Six stations.", "mean(x)", "34.5", "done"):
        assert content in text
    assert BLOB[:40] not in text
    assert [note.count for note in notes if not note.read] == [1]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ('<?xml version="1.0"?><rss><channel><item><title>Ice</title><description>&lt;p&gt;Says'
         " &lt;b&gt;Moor&lt;/b&gt;&lt;/p&gt;</description></item></channel></rss>", "Says Moor"),
        ('<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>A</title><content>Held fast</content>'
         "</entry></feed>", "Held fast"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><path d="M0 0L1 1"/><text>Plan by Quill</text></svg>',
         "Plan by Quill"),
        ('<?xml version="1.0"?><w:wordDocument xmlns:w="urn:w"><w:body><w:p><w:r><w:t>The windlass </w:t>'
         "</w:r><w:r><w:t>was repaired.</w:t></w:r></w:p></w:body></w:wordDocument>",
         "The windlass was repaired."),
        ('<?xml version="1.0"?><Workbook xmlns="urn:s"><Worksheet><Table><Row><Cell><Data>Port</Data></Cell>'
         "<Cell><Data>7</Data></Cell></Row></Table></Worksheet></Workbook>", "| Port | 7 |"),
        ('<?xml version="1.0"?><catalogue><book id="1"><name>Of <i>tides</i></name></book></catalogue>',
         "Of tides"),
        ('<?xml version="1.0"?><a><p><b>Berth nine</b> goes to the <i>Nightingale</i>, she said</p></a>',
         "Berth nine goes to the Nightingale , she said"),
        ('<?xml version="1.0"?><order><row><CustomerName>Birch</CustomerName><total_due>655</total_due></row>'
         "<row><CustomerName>Finch</CustomerName><total_due>284</total_due></row></order>",
         "Customer Name: Birch\ntotal due: 655\nCustomer Name: Finch\ntotal due: 284"),
        ('<?xml version="1.0"?><opml><body><outline text="Harbours"><outline text="Skerry light"/></outline>'
         "</body></opml>", "text: Harbours\ntext: Skerry light"),
    ],
    ids=["rss", "atom", "svg", "word 2003", "excel 2003", "other", "after marks", "records", "attributes"],
)  # fmt: skip
def test_xml_gives_its_words_without_tags(
    parser: Parser, tmp_path: Path, content: str, expected: str
) -> None:
    text, _ = read(parser, tmp_path / "a.xml", content, DocumentKind.XML)
    assert expected in text
    assert "<" not in text
    assert "M0 0" not in text


def flat_package(path: Path) -> str:
    """A Word file as saved by Word as "XML document"."""
    space = "http://schemas.microsoft.com/office/2006/xmlPackage"
    parts = ""
    with zipfile.ZipFile(path) as archive:
        types = {
            str(one.get("PartName")): str(one.get("ContentType"))
            for one in etree.fromstring(archive.read("[Content_Types].xml"))
        }
        for name in archive.namelist():
            content, kind = archive.read(name), types.get(f"/{name}", "")
            if name == "[Content_Types].xml":
                continue
            kind = kind or (
                "application/vnd.openxmlformats-package.relationships+xml" if ".rels" in name else "x/y"
            )
            if content.startswith(b"<?xml"):
                markup = re.sub(r"^<\?xml[^>]*>", "", content.decode())
                inner = f"<pkg:xmlData>{markup}</pkg:xmlData>"
            else:
                inner = f"<pkg:binaryData>{base64.b64encode(content).decode()}</pkg:binaryData>"
            parts += f'<pkg:part pkg:name="/{name}" pkg:contentType="{kind}">{inner}</pkg:part>'
    return f'<?xml version="1.0"?><pkg:package xmlns:pkg="{space}">{parts}</pkg:package>'


@pytest.mark.parametrize("kind", ["docx", "xlsx", "pptx"])
def test_office_file_saved_as_one_xml_is_read_as_the_file_it_stands_for(
    parser: Parser, tmp_path: Path, kind: str
) -> None:
    (tmp_path / "x").write_bytes(office.whole(kind, "The lamp burns colza oil."))
    text, notes = read(parser, tmp_path / "a.xml", flat_package(tmp_path / "x"), DocumentKind.XML)
    assert "The lamp burns colza oil." in text
    assert "Lighthouses" in text
    assert not [note for note in notes if not note.read]


def test_word_2003_keeps_sections_notes_and_names_its_pictures(parser: Parser, tmp_path: Path) -> None:
    value = "".join(
        f"<w:p><w:r><w:t>{words}</w:t></w:r>{more}</w:p>"
        for words, more in (
            ("Lease of the boathouse ", "<w:footnote><w:p><w:r><w:t>Of 1911.</w:t></w:r></w:p></w:footnote>"
             "<w:r><w:t>Signed by Ada</w:t></w:r>"),
            ("Twelve crowns", "<w:r><w:pict><w:binData w:name='wordml://1.png'>aGVsbG8=</w:binData><v:shape>"
             "<v:imagedata src='wordml://1.png'/></v:shape></w:pict></w:r>"),
        )
    )  # fmt: skip
    content = (
        '<?xml version="1.0"?><w:wordDocument xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml"'
        ' xmlns:wx="http://schemas.microsoft.com/office/word/2003/auxHint"'
        ' xmlns:v="urn:schemas-microsoft-com:vml"><w:author>A. Clerk</w:author>'
        f"<w:body><wx:sect><wx:sub-section>{value}</wx:sub-section></wx:sect></w:body></w:wordDocument>"
    )
    text, notes = read(parser, tmp_path / "a.xml", content, DocumentKind.XML)
    assert text == "Lease of the boathouse Signed by Ada\nFootnote: Of 1911.\nTwelve crowns"
    assert [note.count for note in notes if not note.read] == [1]


def test_xml_of_a_stranger_opens_no_file(parser: Parser, tmp_path: Path) -> None:
    evil = '<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><a>kept &x;</a>'
    text, _ = read(parser, tmp_path / "a.xml", evil, DocumentKind.XML)
    assert text == "kept &x;"


def test_opendocument_gives_headings_lists_tables_and_notes(parser: Parser, tmp_path: Path) -> None:
    spaces = " ".join(
        f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
        for name, full in (("office", "office"), ("text", "text"), ("table", "table"))
    )
    content = (
        f"<office:document-content {spaces}><office:body><office:text>"
        '<text:h text:outline-level="2">Tides</text:h><text:p>Twice<text:s text:c="2"/>a day'
        "<text:note><text:note-body><text:p>nearly</text:p></text:note-body></text:note></text:p>"
        "<text:list><text:list-item><text:p>Brest</text:p></text:list-item></text:list>"
        '<table:table><table:table-row><table:table-cell table:number-columns-repeated="2"><text:p>7</text:p>'
        "</table:table-cell></table:table-row></table:table></office:text></office:body></office:document-content>"
    )
    with zipfile.ZipFile(tmp_path / "a.odt", "w") as packed:
        packed.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        packed.writestr("content.xml", content)
    text, _ = read(parser, tmp_path / "a.odt", (tmp_path / "a.odt").read_bytes(), DocumentKind.OPENDOCUMENT)
    assert text == "Tides\nTwice  a day (note: nearly)\n- Brest\n| 7 | 7 |\n| --- | --- |"


@pytest.mark.parametrize(
    "around",
    [
        "{}",
        "key: {}\n",
        "![x](data:image/png;base64,{})",
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----",
    ],
)
@pytest.mark.parametrize("name", ["a.txt", "a.md", "a.html"])
def test_encoded_data_never_reaches_the_index(parser: Parser, tmp_path: Path, around: str, name: str) -> None:
    wrapped = "\n".join(BLOB[i : i + 64] for i in range(0, len(BLOB), 64))
    blob = wrapped if "BEGIN" in around else BLOB
    content = f"The keeper is Ada.\n\n{around.format(blob)}\n\nThe end."
    if name == "a.html":
        content = f"<html><body><p>{content}</p></body></html>"
    path = tmp_path / name
    path.write_text(content)
    items = list(parser.parse(path, sniff(path, name)))
    text = "\n".join(item.text for item in items if isinstance(item, Block))
    assert BLOB[64:104] not in text
    assert "The keeper is Ada." in text
    assert "The end." in text
    assert any("encoded data" in item.message for item in items if isinstance(item, Note))


OF_ZEROES = base64.b64encode(bytes(1500) + random.Random(3).randbytes(90)).decode()  # noqa: S311


@pytest.mark.parametrize("sign", ["\n", " ", "\n    "], ids=["lines", "blanks", "indented"])
@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.xml"])
@pytest.mark.parametrize(
    ("blob", "width"),
    [(BLOB, 76), (BLOB, 64), (OF_ZEROES, 76), (random.Random(3).randbytes(400).hex(), 800)],  # noqa: S311
    ids=["base64", "PEM", "mostly empty", "hex"],
)
def test_encoded_data_in_lines_never_reaches_the_index(
    parser: Parser, tmp_path: Path, blob: str, width: int, name: str, sign: str
) -> None:
    """XML formats join the lines of a paragraph with spaces."""
    lines = sign.join(blob[i : i + width] for i in range(0, len(blob), width))
    body = f"<part>\nThe keeper is Ada.\n{lines}\nThe end.\n</part>"
    content = {"a.xml": f"<?xml version='1.0'?>{body}", "a.html": f"<html>{body}</html>"}.get(name, body)
    (tmp_path / name).write_text(content)
    items = list(parser.parse(tmp_path / name, sniff(tmp_path / name, name)))
    text = " ".join(item.text for item in items if isinstance(item, Block))
    assert "The keeper is Ada." in text
    assert "The end." in text
    assert not [word for word in text.split() if len(word) > 20]


@pytest.mark.parametrize(
    "text",
    [
        "GATTACA" * 60,
        "\n".join(["GATTACAGATTACAGATTACAGATTACAGATTACAGATTACAGATTACAGATTACA"] * 6),
        "/usr/share/documents/of/the/harbour/office/2025 /usr/share/documents/of/the/harbour/office/2026",
        "=" * 300,
        "https://example.org/" + "a/" * 200,
        "Donaudampfschiff" * 20,
        "0123456789" * 40,
    ],
)
def test_long_words_that_are_no_data_stay(parser: Parser, tmp_path: Path, text: str) -> None:
    assert text in read(parser, tmp_path / "a.txt", f"Before {text} after", DocumentKind.TEXT)[0]


@pytest.mark.parametrize(
    "listing",
    ["````md\n```sh\n# no heading\n```\n````", "~~~\n```\n# no heading\n~~~", "- ```\n  # no heading\n  ```",
     "```\n# no heading"],
    ids=["longer fence", "other sign", "in a list", "left open"],
)  # fmt: skip
def test_what_stands_in_a_fence_is_no_heading(parser: Parser, tmp_path: Path, listing: str) -> None:
    (tmp_path / "a.md").write_text(f"# Handbook\n\n{listing}\n")
    items = parser.parse(tmp_path / "a.md", DocumentKind.MARKDOWN)
    assert [item.text for item in items if isinstance(item, Block) and item.level] == ["Handbook"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(40), "a picture; put it into a PDF"),
        (b"\xff\xd8\xff\xe0" + bytes(40), "a picture; put it into a PDF"),
        (b"\0\0\0\x18ftypheic" + bytes(40), "a picture; put it into a PDF"),
        (b"%!PS-Adobe-3.0\nshowpage", "PostScript; convert it to PDF"),
        (b"7z\xbc\xaf'\x1c" + bytes(40), "an archive; unpack it"),
        (b"Rar!\x1a\x07\x01" + bytes(40), "an archive; unpack it"),
        (b"ID3\x04" + bytes(40), "sound or video"),
        (b"\0\0\0\x18ftypisom" + bytes(40), "sound or video"),
        (b"MZ\x90\0" + bytes(40), "a program"),
        (b"\0\x01\0\0Standard ACE DB\0", "a database; export"),
        (b"\xe4\x52\x5c\x7b\x8c\xd8\xa7\x4d" + bytes(40), "a OneNote section"),
        (b"!BDN" + bytes(40), "an Outlook mailbox"),
        (b"SQLite format 3\0" + bytes(40), "a database"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_right_name(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "report.pdf"
    path.write_bytes(content)
    with pytest.raises(UploadRefused, match=f"^'report.pdf' is {message}"):
        sniff(path, path.name)
