"""The compared libraries: what to install, and the few lines that read a file with each.

Each program defines `read(path)`, which returns ("markdown" or "html" or "text", the text). Headings and
table rows that are marked as such in that text count as kept.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reader:
    """A library, its packages, and a program; `ours` runs the product's own parser in this Python."""

    name: str
    packages: tuple[str, ...]
    program: str
    ours: bool = False


def ours(kind: str, *packages: str) -> Reader:
    """Return the worker's own parser for this kind of file."""
    name = f"ours ({', '.join(packages) or 'standard library'})"
    return Reader(name, packages, OURS.format(kind=kind), ours=True)


OURS = """
from pathlib import Path
from rag_core.extract.blocks import Block
from rag_core.extract.child import guarded
from rag_core.extract.pictures import Recognition
from rag_core.models import DocumentKind
def read(path):
    found = guarded(Path(path), DocumentKind("{kind}"), 10_000, Recognition(None))
    blocks = [one for one in found if isinstance(one, Block)]
    marks = ["#" * one.level + " " if one.kind == "heading" else "" for one in blocks]
    fences = ["\\n```\\n" if one.kind == "code" else "" for one in blocks]
    text = (m + f + one.text + f for m, f, one in zip(marks, fences, blocks))
    return "markdown", "\\n\\n".join(text)
"""
MARKITDOWN = """
from markitdown import MarkItDown
reader = MarkItDown()
def read(path):
    return "markdown", reader.convert(path).text_content
"""
KREUZBERG = """
import kreuzberg
how = kreuzberg.ExtractionConfig(output_format="markdown", use_cache=False)
def read(path):
    return "markdown", kreuzberg.extract_file_sync(path, config=how).content
"""
UNSTRUCTURED = """
import html
from unstructured.partition.{kind} import partition_{kind} as partition
def read(path):
    parts = []
    for one in partition(path):
        markup = one.metadata.text_as_html if one.category == "Table" else None
        tag = "h1" if one.category == "Title" else "p"
        parts.append(markup or f"<{{tag}}>{{html.escape(one.text)}}</{{tag}}>")
    return "html", "\\n".join(parts)
"""
DOCLING = """
from docling.document_converter import DocumentConverter
reader = DocumentConverter()
def read(path):
    return "markdown", reader.convert(path).document.export_to_markdown()
"""
PYPDFIUM2 = """
import pypdfium2
def read(path):
    with pypdfium2.PdfDocument(path) as document:
        return "text", "\\n".join(page.get_textpage().get_text_range() for page in document)
"""
PYPDF = """
import pypdf
def read(path):
    return "text", "\\n".join(page.extract_text() for page in pypdf.PdfReader(path).pages)
"""
PDFMINER = """
from pdfminer.high_level import extract_text
def read(path):
    return "text", extract_text(path)
"""
MAMMOTH = """
import mammoth
no_picture = mammoth.images.img_element(lambda _: {})
def read(path):
    with open(path, "rb") as file:
        return "html", mammoth.convert_to_html(file, convert_image=no_picture).value
"""
DOCX2PYTHON = """
from docx2python import docx2python
def read(path):
    with docx2python(path, html=True) as file:
        tables = file.body
    parts = []
    for table in tables:
        if len(table) == 1 and len(table[0]) == 1:
            parts += [f"<p>{p}</p>" for p in table[0][0]]
        else:
            rows = ("".join(f"<td>{' '.join(cell)}</td>" for cell in row) for row in table)
            parts.append("<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>")
    return "html", "\\n".join(parts)
"""
CALAMINE = """
from python_calamine import CalamineWorkbook
def read(path):
    lines, book = [], CalamineWorkbook.from_path(path)
    for sheet in book.sheet_names:
        lines.append("# " + sheet)
        rows = book.get_sheet_by_name(sheet).to_python()
        lines += ["| " + " | ".join(map(str, row)) + " |" for row in rows]
    return "markdown", "\\n".join(lines)
"""
TRAFILATURA = """
import trafilatura
def read(path):
    with open(path, "rb") as file:
        return "markdown", trafilatura.extract(file.read(), output_format="markdown", favor_recall=True) or ""
"""
HTML2TEXT = """
import html2text
reader = html2text.HTML2Text(bodywidth=0)
reader.ignore_links = reader.ignore_images = reader.pad_tables = True
def read(path):
    with open(path, encoding="utf-8") as file:
        return "markdown", reader.handle(file.read())
"""
SELECTOLAX = """
import html
from selectolax.lexbor import LexborHTMLParser
def read(path):
    with open(path, "rb") as file:
        tree = LexborHTMLParser(file.read())
    tree.strip_tags(["script", "style", "nav", "form"])
    heads = "".join(f"<h1>{html.escape(one.text())}</h1>" for one in tree.css("h1,h2,h3,h4,h5,h6"))
    for one in tree.css("h1,h2,h3,h4,h5,h6"):
        one.decompose()
    rows = (
        "".join(f"<td>{html.escape(cell.text())}</td>" for cell in row.css("td,th")) for row in tree.css("tr")
    )
    kept = "<table>" + "".join(f"<tr>{row}</tr>" for row in rows) + "</table>"
    for one in tree.css("table"):
        one.decompose()
    return "html", heads + kept + html.escape(tree.body.text())
"""
EBOOKLIB = """
from ebooklib import epub
def read(path):
    book = epub.read_epub(path, options={"ignore_ncx": True})
    chapters = (book.get_item_with_id(name) for name, _ in book.spine)
    return "html", "\\n".join(one.get_content().decode() for one in chapters if one)
"""
MAILPARSER = """
import mailparser
def read(path):
    letter = mailparser.parse_from_file(path)
    people = [" ".join(one) for one in letter.from_ + letter.to]
    body = letter.text_plain or letter.text_html
    return "text", "\\n".join([letter.subject, *people, str(letter.date), *body])
"""
_MARKITDOWN = Reader("markitdown", ("markitdown[docx,pptx,xlsx,pdf]",), MARKITDOWN)
_KREUZBERG = Reader("kreuzberg", ("kreuzberg",), KREUZBERG)
_DOCLING = Reader("docling", ("docling",), DOCLING)


def _unstructured(kind: str) -> Reader:
    return Reader("unstructured", ("unstructured[docx,pptx,xlsx,csv,epub]",), UNSTRUCTURED.format(kind=kind))


READERS: dict[str, list[Reader]] = {
    "pdf": [
        ours("pdf", "pypdfium2"),
        Reader("pypdfium2 alone", ("pypdfium2",), PYPDFIUM2),
        Reader("pypdf", ("pypdf",), PYPDF),
        Reader("pdfminer.six", ("pdfminer.six",), PDFMINER),
        _MARKITDOWN,
        _KREUZBERG,
    ],
    "docx": [
        ours("docx", "python-docx"),
        Reader("mammoth", ("mammoth",), MAMMOTH),
        Reader("docx2python", ("docx2python",), DOCX2PYTHON),
        _MARKITDOWN,
        _unstructured("docx"),
        _KREUZBERG,
    ],
    "pptx": [ours("pptx", "python-pptx"), _MARKITDOWN, _unstructured("pptx"), _KREUZBERG],
    "xlsx": [
        ours("xlsx", "openpyxl"),
        Reader("python-calamine", ("python-calamine",), CALAMINE),
        _MARKITDOWN,
        _unstructured("xlsx"),
        _KREUZBERG,
    ],
    "csv": [ours("csv"), _MARKITDOWN, _unstructured("csv"), _KREUZBERG],
    "html": [
        ours("html", "beautifulsoup4", "lxml"),
        Reader("selectolax", ("selectolax",), SELECTOLAX),
        Reader("trafilatura", ("trafilatura",), TRAFILATURA),
        Reader("html2text", ("html2text",), HTML2TEXT),
        _MARKITDOWN,
        _unstructured("html"),
        _KREUZBERG,
    ],
    "epub": [
        ours("epub", "beautifulsoup4", "lxml"),
        Reader("EbookLib (AGPL)", ("ebooklib",), EBOOKLIB),
        _MARKITDOWN,
        _unstructured("epub"),
        _KREUZBERG,
    ],
    "email": [
        ours("email"),
        Reader("mail-parser", ("mail-parser",), MAILPARSER),
        _unstructured("email"),
        _KREUZBERG,
    ],
}
# About 6 GiB with torch: used only when named on the command line.
HEAVY = dict.fromkeys(("docx", "pptx", "xlsx", "csv", "html", "email"), _DOCLING)
