"""OpenDocument files built by hand for tests: text documents, sheets and slides, packed."""

from __future__ import annotations

import zipfile
from pathlib import Path

SPACES = " ".join(
    f'xmlns:{name}="urn:oasis:names:tc:opendocument:xmlns:{full}:1.0"'
    for name, full in {
        "office": "office", "text": "text", "table": "table", "draw": "drawing", "style": "style",
        "presentation": "presentation", "form": "form", "svg": "svg-compatible", "script": "script",
        "chart": "chart", "meta": "meta",
    }.items()
) + ' xmlns:xlink="http://www.w3.org/1999/xlink" xmlns:dc="http://purl.org/dc/elements/1.1/"'  # fmt: skip
MATH = 'xmlns:math="http://www.w3.org/1998/Math/MathML"'


def content(body: str, styles: str = "") -> str:
    return (
        f"<office:document-content {SPACES}><office:automatic-styles>{styles}</office:automatic-styles>"
        f"<office:body>{body}</office:body></office:document-content>"
    )


def packed(
    path: Path, body: str, *, styles: str = "", masters: str = "", more: dict[str, bytes] | None = None
) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.text")
        archive.writestr("content.xml", content(body, styles))
        sheet = f"<office:document-styles {SPACES}><office:master-styles>{masters}</office:master-styles>"
        archive.writestr("styles.xml", f"{sheet}</office:document-styles>")
        for name, data in (more or {}).items():
            archive.writestr(name, data)
    return path


def text(words: str) -> str:
    return f"<office:text>{words}</office:text>"


def sheet(rows: str, name: str = "Costs", attributes: str = "") -> str:
    table = f'<table:table table:name="{name}" {attributes}>{rows}</table:table>'
    return f"<office:spreadsheet>{table}</office:spreadsheet>"


def row(*cells: str) -> str:
    written = (
        one if one.startswith("<") else f"<table:table-cell>{p(one)}</table:table-cell>" for one in cells
    )
    return f"<table:table-row>{''.join(written)}</table:table-row>"


def p(words: str) -> str:
    return f"<text:p>{words}</text:p>"


def page(inner: str, attributes: str = "") -> str:
    return f'<draw:page draw:name="page1" draw:master-page-name="Sea" {attributes}>{inner}</draw:page>'


def framed(inner: str, attributes: str = "") -> str:
    return f"<draw:frame {attributes}><draw:text-box>{inner}</draw:text-box></draw:frame>"


def master(inner: str, name: str = "Standard") -> str:
    return f'<style:master-page style:name="{name}">{inner}</style:master-page>'


REMARK = "<office:annotation><dc:creator>Bo Aho</dc:creator><dc:date>2026</dc:date>{}</office:annotation>"
