"""Word files written as markup, part by part, and the text read from them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path

from rag_core.extract import Block, Note
from rag_core.extract.child import guarded
from rag_core.extract.pictures import Recognition
from rag_core.models import DocumentKind

_SCHEMAS = "http://schemas.openxmlformats.org"
_MICROSOFT = "http://schemas.microsoft.com/office/word/2010"
OFFICE = f"{_SCHEMAS}/officeDocument/2006/relationships"
NAMES = " ".join(
    f'xmlns:{prefix}="{name}"'
    for prefix, name in {
        "w": f"{_SCHEMAS}/wordprocessingml/2006/main",
        "m": f"{_SCHEMAS}/officeDocument/2006/math",
        "r": OFFICE,
        "wp": f"{_SCHEMAS}/drawingml/2006/wordprocessingDrawing",
        "a": f"{_SCHEMAS}/drawingml/2006/main",
        "c": f"{_SCHEMAS}/drawingml/2006/chart",
        "dgm": f"{_SCHEMAS}/drawingml/2006/diagram",
        "mc": f"{_SCHEMAS}/markup-compatibility/2006",
        "w14": f"{_MICROSOFT}/wordml",
        "wps": f"{_MICROSOFT}/wordprocessingShape",
        "v": "urn:schemas-microsoft-com:vml",
        "o": "urn:schemas-microsoft-com:office:office",
    }.items()
)
KINDS = {
    "styles": "application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml",
    "numbering": "application/vnd.openxmlformats-officedocument.wordprocessingml.numbering+xml",
    "comments": "application/vnd.openxmlformats-officedocument.wordprocessingml.comments+xml",
    "header": "application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml",
}
MAIN = "application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
Parts = dict[str, tuple[str, bytes]]


def packed(body: str, parts: Parts | None = None) -> bytes:
    """A Word file: its body's markup, and further parts (name -> type of relation, content; id: the stem)."""
    rels = types = ""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as package:
        for name, (relation, content) in (parts or {}).items():
            package.writestr(f"word/{name}", content)
            stem = Path(name).stem
            rels += f'<Relationship Id="{stem}" Type="{OFFICE}/{relation}" Target="{name}"/>'
            kind = KINDS.get(relation, "application/octet-stream")
            types += f'<Override PartName="/word/{name}" ContentType="{kind}"/>'
        package.writestr("word/document.xml", f"<w:document {NAMES}><w:body>{body}</w:body></w:document>")
        first = f'<Relationship Id="r" Type="{OFFICE}/officeDocument" Target="word/document.xml"/>'
        for name, relations in (("_rels/.rels", first), ("word/_rels/document.xml.rels", rels)):
            package.writestr(
                name,
                f'<Relationships xmlns="{_SCHEMAS}/package/2006/relationships">{relations}</Relationships>',
            )
        package.writestr(
            "[Content_Types].xml",
            f'<Types xmlns="{_SCHEMAS}/package/2006/content-types">'
            '<Default Extension="rels" '
            'ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
            f'<Override PartName="/word/document.xml" ContentType="{MAIN}"/>{types}</Types>',
        )
    return made.getvalue()


def items(tmp_path: Path, body: str, parts: Parts | None = None) -> list[object]:
    (tmp_path / "a.docx").write_bytes(packed(body, parts))
    return list(guarded(tmp_path / "a.docx", DocumentKind.DOCX, 100, Recognition(None)))


def texts(found: Sequence[object]) -> list[str]:
    return [one.text for one in found if isinstance(one, Block)]


def unread(found: Sequence[object]) -> list[str]:
    return [one.message for one in found if isinstance(one, Note) and not one.read]


def r(text: str) -> str:
    return f'<w:r><w:t xml:space="preserve">{text}</w:t></w:r>'


def p(content: str, properties: str = "") -> str:
    return f"<w:p><w:pPr>{properties}</w:pPr>{content}</w:p>"


def xml(name: str, content: str) -> bytes:
    return f"<w:{name} {NAMES}>{content}</w:{name}>".encode()
