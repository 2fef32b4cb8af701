"""Files inside Word files, and Word files in other containers: each is read, or reported with the reason."""

from __future__ import annotations

import base64
import io
import zipfile
from pathlib import Path

import docx
import openpyxl
import pytest

from rag_core.errors import UploadRefused
from rag_core.extract import Block, Head
from rag_core.extract.child import guarded
from rag_core.extract.pictures import Recognition
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests.compound import compound
from services.rag_core.tests.word_markup import (
    KINDS,
    MAIN,
    NAMES,
    OFFICE,
    items,
    p,
    packed,
    r,
    texts,
    unread,
    xml,
)


def _word_file(text: str) -> bytes:
    made, out = docx.Document(), io.BytesIO()
    made.add_paragraph(text)
    made.save(out)
    return out.getvalue()


def _workbook(*cells: object) -> bytes:
    made, out = openpyxl.Workbook(), io.BytesIO()
    made.active.append(list(cells))
    made.save(out)
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.html", b"<html><body><p>Ludovic Fenwick</p></body></html>"),
        ("a.txt", b"Ludovic Fenwick\n"),
        ("a.docx", _word_file("Ludovic Fenwick")),
        ("a.rtf", rb"{\rtf1\ansi Ludovic Fenwick\par}"),
        (
            "a.mht",
            b"From: Word\r\nMIME-Version: 1.0\r\nContent-Type: multipart/related; boundary=B\r\n\r\n--B\r\n"
            b"Content-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
            b"<html><body><p>Ludovic Fen=\r\nwick</p></body></html>\r\n--B--\r\n",
        ),
    ],
)
def test_a_document_put_in_as_a_whole_is_read(tmp_path: Path, name: str, content: bytes) -> None:
    body = p(r("Before")) + '<w:altChunk r:id="a"/>' + p(r("After"))
    found = items(tmp_path, body, {name: ("aFChunk", content)})
    text = texts(found)
    assert (text[0], text[-1]) == ("Before", "After")
    assert "Ludovic Fenwick" in text
    assert unread(found) == []


def test_a_document_put_into_a_cell_is_read(tmp_path: Path) -> None:
    body = f'<w:tbl><w:tr><w:tc>{p(r("Report"))}<w:altChunk r:id="a"/></w:tc></w:tr></w:tbl>'
    assert "Ludovic Fenwick" in texts(items(tmp_path, body, {"a.txt": ("aFChunk", b"Ludovic Fenwick\n")}))


def _native(name: str, content: bytes) -> bytes:
    label = name.encode() + b"\0"
    rest = b"\2\0" + label + label + b"\0\0\3\0" + len(label).to_bytes(4, "little") + label
    rest += len(content).to_bytes(4, "little") + content
    return compound({"\x01Ole10Native": len(rest).to_bytes(4, "little") + rest})


_OBJECT = '<w:r><w:object><o:OLEObject Type="Embed" ProgID="X" r:id="inner"/></w:object></w:r>'


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("inner.xlsx", _workbook("Brest", 412), "412"),
        ("inner.docx", _word_file("Ludovic Fenwick"), "Ludovic Fenwick"),
        ("inner.bin", compound({"Package": _word_file("Ludovic Fenwick")}), "Ludovic Fenwick"),
        (
            "inner.bin",
            _native("minutes.txt", b"Ludovic Fenwick\n"),
            "Attachment: minutes.txt\nLudovic Fenwick",
        ),
    ],
)
def test_an_embedded_file_is_read(tmp_path: Path, name: str, content: bytes, expected: str) -> None:
    found = items(tmp_path, p(r("See") + _OBJECT), {name: ("package", content)})
    assert expected in "\n".join(texts(found))
    assert unread(found) == []


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("inner.bin", compound({"WordDocument": b"x" * 5000}), "before 2007"),
        ("inner.bin", compound({"EncryptedPackage": b"x" * 5000}), "is locked with a password"),
        ("inner.bin", compound({"Equation Native": b"x" * 100}), "an equation"),
        ("inner.bin", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1 broken off", "no program's file was found in it"),
    ],
)
def test_an_embedded_file_that_is_not_read_is_named(
    tmp_path: Path, name: str, content: bytes, why: str
) -> None:
    (text,) = unread(items(tmp_path, p(r("See") + _OBJECT), {name: ("oleObject", content)}))
    assert why in text


def test_a_chart_and_a_diagram_give_what_they_show(tmp_path: Path) -> None:
    def cached(kind: str, *values: str) -> str:
        points = "".join(f'<c:pt idx="{at}"><c:v>{value}</c:v></c:pt>' for at, value in enumerate(values))
        return f"<c:{kind}Ref><c:{kind}Cache>{points}</c:{kind}Cache></c:{kind}Ref>"

    series = (
        f"<c:ser><c:tx>{cached('str', 'Herring')}</c:tx><c:cat>{cached('str', 'May', 'June')}</c:cat>"
        f"<c:val>{cached('num', '412', '39.5')}</c:val></c:ser>"
    )
    plot = f"<c:plotArea><c:pie3DChart>{series}</c:pie3DChart></c:plotArea>"
    chart = f"<c:chartSpace {NAMES}><c:chart>{plot}</c:chart></c:chartSpace>"
    point = "<dgm:pt><dgm:t><a:p><a:r><a:t>{}</a:t></a:r></a:p></dgm:t></dgm:pt>"
    points = point.format("Sail") + point.format("Moor")
    diagram = f"<dgm:dataModel {NAMES}><dgm:ptLst>{points}</dgm:ptLst></dgm:dataModel>"
    graphic = "<a:graphic><a:graphicData>{}</a:graphicData></a:graphic>"
    drawing = f"<w:r><w:drawing><wp:inline>{graphic}</wp:inline></w:drawing></w:r>"
    body = p(drawing.format('<c:chart r:id="chart"/>')) + p(drawing.format('<dgm:relIds r:dm="data"/>'))
    parts = {"chart.xml": ("chart", chart.encode()), "data.xml": ("diagramData", diagram.encode())}
    assert texts(items(tmp_path, body, parts)) == [
        "|  | Herring |\n| --- | --- |\n| May | 412 |\n| June | 39.5 |",
        "- Sail\n- Moor",
    ]


def test_a_document_as_one_xml_file_is_read_like_the_docx(tmp_path: Path) -> None:
    """Word calls it "Word XML document"; its comments, headers and embedded files are read as well."""
    comment = xml("comments", f'<w:comment w:id="4" w:author="Ada">{p(r("Safe?"))}</w:comment>')
    body = p(r("The windlass") + '<w:r><w:commentReference w:id="4"/></w:r>' + _OBJECT)
    parts = {"comments.xml": ("comments", comment), "inner.xlsx": ("package", _workbook("Brest", 412))}
    with zipfile.ZipFile(io.BytesIO(packed(body, parts))) as package:
        flat = "".join(_flat(name, package.read(name)) for name in package.namelist() if "Types" not in name)
    whole = '<pkg:package xmlns:pkg="http://schemas.microsoft.com/office/2006/xmlPackage">'
    (tmp_path / "a.xml").write_text(f'<?xml version="1.0"?>{whole}{flat}</pkg:package>')
    found = list(guarded(tmp_path / "a.xml", DocumentKind.XML, 100, Recognition(None)))
    text = "\n".join(texts(found))
    for words in ("The windlass", "Comment by Ada: Safe?", "| Brest | 412 |"):
        assert words in text
    assert unread(found) == []


def _flat(name: str, content: bytes) -> str:
    kinds = {
        "word/document.xml": MAIN,
        "word/comments.xml": KINDS["comments"],
        "word/inner.xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    }
    kind = kinds.get(name, "application/vnd.openxmlformats-package.relationships+xml")
    is_xml = name.endswith((".xml", ".rels"))
    data = f"<pkg:xmlData>{content.decode()}</pkg:xmlData>" if is_xml else ""
    if not is_xml:
        data = f"<pkg:binaryData>{base64.encodebytes(content).decode()}</pkg:binaryData>"
    return f'<pkg:part pkg:name="/{name}" pkg:contentType="{kind}">{data}</pkg:part>'


def test_xml_of_2003_keeps_what_stands_beside_its_text(tmp_path: Path) -> None:
    names = (
        'xmlns:w="http://schemas.microsoft.com/office/word/2003/wordml" '
        'xmlns:wx="http://schemas.microsoft.com/office/word/2003/auxHint" '
        'xmlns:aml="http://schemas.microsoft.com/aml/2001/core" '
        'xmlns:o="urn:schemas-microsoft-com:office:office" xmlns:v="urn:schemas-microsoft-com:vml"'
    )
    change = (
        '<aml:annotation aml:id="{}" aml:author="Ada" w:type="Word.{}"><aml:content>{}</aml:content>'
        "</aml:annotation>"
    )
    comment = f"<w:r>{change.format(2, 'Comment', p(r('Safe?')))}</w:r>"
    footnote = f"<w:r><w:footnote>{p(r('Seen at Brest.'))}</w:footnote></w:r>"
    data = "QUJD" * 30
    shape = "<v:shape><v:imagedata/></v:shape>"
    picture = f'<w:r><w:pict><w:binData w:name="a.png">{data}</w:binData>{shape}</w:pict></w:r>'
    sheet = '<o:OLEObject Type="Embed" ProgID="Excel.Sheet.8"/>'
    inner = f"<w:r><w:pict>{shape}{sheet}</w:pict></w:r>"
    item = '<w:listPr><w:ilvl w:val="0"/><w:ilfo w:val="1"/><wx:t wx:val="3.2"/></w:listPr>'
    gone = change.format(3, "Deletion", "<w:r><w:delText>steam</w:delText></w:r>")
    body = (
        p(r("The Quay"), '<w:pStyle w:val="Ours"/>')
        + "<wx:sub-section>"
        + p(r("Driven by ") + gone + change.format(4, "Insertion", r("wind")) + comment + footnote)
        + p(r("Clause"), item)
        + f"<w:tbl><w:tr><w:tc>{p(r('Brest'))}</w:tc><w:tc>{p(r('412'))}</w:tc></w:tr></w:tbl>"
        + p(picture + inner)
        + f'</wx:sub-section><w:sectPr><w:hdr w:type="odd">{p(r("Harbour office"))}</w:hdr></w:sectPr>'
    )
    styles = '<w:style w:type="paragraph" w:styleId="Ours"><w:name w:val="heading 2"/></w:style>'
    (tmp_path / "a.xml").write_text(
        f"<w:wordDocument {names}><o:DocumentProperties><o:Title>Lease</o:Title></o:DocumentProperties>"
        f"<w:styles>{styles}</w:styles><w:docOleData><w:binData>{data}</w:binData></w:docOleData>"
        f"<w:body><wx:sect>{body}</wx:sect></w:body></w:wordDocument>"
    )
    found = list(guarded(tmp_path / "a.xml", DocumentKind.XML, 100, Recognition(None)))
    assert found[0] == Head(title="Lease", pages=1)
    assert [(one.text, one.level) for one in found if isinstance(one, Block)] == [
        ("Harbour office", 0),
        ("The Quay", 2),
        ("Driven by wind", 0),
        ("Comment by Ada: Safe?", 0),
        ("Footnote: Seen at Brest.", 0),
        ("3.2 Clause", 0),
        ("| Brest | 412 |\n| --- | --- |", 0),
    ]
    assert unread(found) == [
        "an embedded Excel.Sheet.8 of Word's XML of 2003 was not read; save the file as DOCX",
        "a picture without a description, not read",
    ]


def test_a_picture_is_read_by_its_description_or_named(tmp_path: Path) -> None:
    old = "<w:r><w:pict><v:shape {}><v:imagedata/></v:shape></w:pict></w:r>"
    new = '<w:r><w:drawing><wp:inline><wp:docPr id="1" {}/><a:blip/></wp:inline></w:drawing></w:r>'
    body = p(
        r("See")
        + old.format('alt="A lantern"')
        + old.format("")
        + new.format('descr="A quay"')
        + new.format("")
    )
    found = items(tmp_path, body)
    assert texts(found) == ["See", "Picture: A lantern", "Picture: A quay"]
    assert unread(found) == ["2 pictures without a description, not read"]


def test_a_control_is_named(tmp_path: Path) -> None:
    found = items(tmp_path, p(r("Paid") + '<w:r><w:object><w:control r:id="inner"/></w:object></w:r>'))
    assert unread(found) == ["page 1: a form control (ActiveX), whose value is not read"]


@pytest.mark.parametrize("body", [p(r("See") + _OBJECT), p(r("See")) + '<w:subDoc r:id="inner"/>'])
def test_a_linked_file_is_named(tmp_path: Path, body: str) -> None:
    (tmp_path / "a.docx").write_bytes(packed(body))
    target = "file:///Q:\\plans\\a.xlsx"
    link = f'<Relationship Id="inner" Type="{OFFICE}/oleObject" Target="{target}" TargetMode="External"/>'
    with zipfile.ZipFile(tmp_path / "a.docx") as package:
        parts = {name: package.read(name) for name in package.namelist()}
    name = "word/_rels/document.xml.rels"
    parts[name] = parts[name].replace(b"</Relationships>", link.encode() + b"</Relationships>")
    with zipfile.ZipFile(tmp_path / "a.docx", "w") as package:
        for name, content in parts.items():
            package.writestr(name, content)
    found = list(guarded(tmp_path / "a.docx", DocumentKind.DOCX, 100, Recognition(None)))
    assert unread(found) == ["the linked file a.xlsx is not in the document; add it by itself"]


@pytest.mark.parametrize("name", ["EncryptedPackage", "ENCRYPTEDPACKAGE", "encryptedpackage"])
def test_a_file_with_a_password_is_refused_as_that(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.docx").write_bytes(compound({name: b"x" * 5000}))
    with pytest.raises(UploadRefused, match="locked with a password") as refused:
        sniff(tmp_path / "a.docx", "a.docx")
    assert refused.value.code == "upload_encrypted"
