"""Pictures of pages to text by Tesseract, each page in a process with a limit of its own."""

from __future__ import annotations

import csv
import math
import re
from itertools import groupby
from operator import itemgetter

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_c
import pytesseract
from PIL import Image

from rag_core.extract.blocks import Ocr

_DPI = 300
_MAX_PIXELS = 14_000_000  # somewhat over A4 at 300 dpi; a poster is read at a lower resolution
# Words and lines that Tesseract itself does not believe in come from photographs and stains.
_SURE_WORD = 30.0
_SURE_LINE = 45.0
_LINE_HYPHEN = re.compile(r"(?<=\w)[-\u2010]$")
_FEW_LETTERS = 20
_STAMP_LETTERS = 250  # what a library or a shop stamps on each scanned page
_OUTLINES = 30


class Unavailable(Exception):  # noqa: N818 - said of the program
    """Tesseract or the data of a language is not installed."""


def wanted(page: pdfium.PdfPage, good: int, bad: int) -> bool:
    """Whether the page's own text is of no use and something is drawn on it that could be read."""
    if bad > good:
        return True
    if good >= _STAMP_LETTERS:
        return False
    width, height = page.get_size()
    covered = 0.0
    drawn = 0
    for thing in page.get_objects(max_depth=3):
        if thing.type == pdfium_c.FPDF_PAGEOBJ_IMAGE:
            left, bottom, right, top = thing.get_bounds()
            covered += max(0.0, right - left) * max(0.0, top - bottom)
        elif thing.type == pdfium_c.FPDF_PAGEOBJ_PATH:
            drawn += 1
    share = covered / max(1.0, width * height)
    if good < _FEW_LETTERS:
        return bool(share > 0.05 or drawn > _OUTLINES)
    return bool(share > 0.8)


def lines(page: pdfium.PdfPage, ocr: Ocr) -> list[str]:
    """The text on the page's picture, line by line; none when it takes too long. Raises Unavailable."""
    width, height = page.get_size()
    scale = min(_DPI / 72, math.sqrt(_MAX_PIXELS / max(1.0, width * height)))
    bitmap = page.render(scale=scale, grayscale=True)
    try:
        return _recognised(bitmap.to_pil(), ocr)
    finally:
        bitmap.close()


def _recognised(picture: Image.Image, ocr: Ocr) -> list[str]:
    try:
        # Page segmentation 1 finds columns and turns a page that was scanned sideways.
        table = str(
            pytesseract.image_to_data(picture, lang=ocr.languages, config="--psm 1", timeout=ocr.page_seconds)
        )
    except pytesseract.TesseractNotFoundError as error:
        raise Unavailable("Tesseract is not installed") from error
    except pytesseract.TesseractError as error:
        if "data file" in str(error) or "languages" in str(error):
            raise Unavailable(f"Tesseract has no data for {ocr.languages!r}") from error
        return []  # this one picture is too much for it
    except RuntimeError:  # the time was over
        return []
    return _text(table)


def _text(table: str) -> list[str]:
    found: list[str] = []
    rows = csv.DictReader(table.splitlines(), delimiter="\t", quoting=csv.QUOTE_NONE)
    words = [row for row in rows if row["level"] == "5" and (row["text"] or "").strip()]
    where = itemgetter("block_num", "par_num", "line_num")
    for _, group in groupby(words, key=where):
        line = [(row["text"].strip(), float(row["conf"])) for row in group]
        if sum(sure for _, sure in line) / len(line) < _SURE_LINE:
            continue
        text = " ".join(word for word, sure in line if sure >= _SURE_WORD)
        if found and _LINE_HYPHEN.search(found[-1]) and text[:1].islower():
            found[-1] = _LINE_HYPHEN.sub("", found[-1]) + text
        elif text:
            found.append(text)
    return found
