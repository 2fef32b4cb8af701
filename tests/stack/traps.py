"""Trap files and rare formats, made in memory, with the error codes that the stack may report for them."""

from __future__ import annotations

import io
import zipfile

from PIL import Image, ImageDraw, ImageFont

from services.rag_core.tests import office
from services.rag_core.tests.pdfs import pdf, tangled
from tests.stack import papers

_BOMB_MIB = 310


def endless_pages() -> bytes:
    """A PDF of 50,000 pages."""
    kids = " ".join(f"{number} 0 R" for number in range(3, 50_003))
    page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"
    tree = f"<</Type/Pages/Kids[{kids}]/Count 50000>>"
    return pdf(["<</Type/Catalog/Pages 2 0 R>>", tree, *[page] * 50_000])


def bomb() -> bytes:
    """An archive of some 300 kB that unpacks to 310 MiB."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", "<x/>")
        with archive.open("media/huge.bin", "w") as entry:
            for _ in range(_BOMB_MIB):
                entry.write(b" " * (1 << 20))
    return made.getvalue()


def rare(kind: str, text: str) -> bytes:
    """Return a file of a format beyond the main five that contains a text."""
    if kind == "csv":
        return f'what,said,year\nlighthouse,"{text}",1874\nother,"nothing",1875\n'.encode()
    return office.whole(kind, text)


def scan(line: str) -> bytes:
    """Return a PDF that holds only a picture of a line of text."""
    picture = Image.new("L", (1240, 400), "white")
    ImageDraw.Draw(picture).text((60, 120), line, font=ImageFont.load_default(44), fill="black")
    made = io.BytesIO()
    picture.save(made, "PDF", resolution=150)
    return made.getvalue()


def refused() -> dict[str, tuple[str, bytes, set[str]]]:
    """Map each fault to a file name, its content, and the error codes that may be reported."""
    whole = papers.pdf(papers.story(papers.word()))
    return {
        "encrypted": ("encrypted.pdf", papers.pdf("x", password=papers.word()), {"encrypted"}),
        "corrupt": ("corrupt.pdf", whole[:9] + b"\x00" * 400 + papers.word().encode(), {"corrupt"}),
        "truncated": ("truncated.docx", papers.good("docx", papers.word())[:-900], {"corrupt"}),
        "empty": ("empty.pdf", b"", {"upload_empty"}),
        "bomb": ("bomb.docx", bomb(), {"zip_bomb"}),
        "tangled": ("tangled.pdf", tangled(), {"parser_hung", "too_much_memory", "parser_crashed"}),
        "endless": ("endless.pdf", endless_pages(), {"too_many_pages"}),
    }
