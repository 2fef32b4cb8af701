"""Pictures to text by Tesseract, each in its own process with a time limit."""

from __future__ import annotations

import csv
import math
import re
import struct
from functools import partial
from itertools import groupby
from operator import itemgetter

import pypdfium2 as pdfium
from PIL import Image

from rag_core.extract.apart import apart
from rag_core.extract.blocks import Ocr

_DPI = 300
MAX_PIXELS = 14_000_000  # a little over A4 at 300 dpi; a poster is read at a lower resolution
DRAWING_SECONDS = 20.0
_SIZE = struct.Struct("<II")
# Words and lines with a low confidence come from photographs and stains.
_SURE_WORD = 30.0
_SURE_LINE = 45.0
_LINE_HYPHEN = re.compile(r"(?<=\w)[-\u2010]$")

SLOW = "took too long to read"
DAMAGED = "is damaged, or too large to be read"

Crop = tuple[float, float, float, float]


class Unavailable(Exception):  # noqa: N818 - said of the program
    """Tesseract or the data of a language is not installed."""


class Unread(Exception):  # noqa: N818 - said of the picture
    """This one picture was not read; the message says why."""


def lines(page: pdfium.PdfPage, ocr: Ocr, seconds: float, crop: Crop = (0.0, 0.0, 0.0, 0.0)) -> list[str]:
    """Return the text of the rendered page by lines. Raises Unavailable, or Unread after `seconds`.

    `crop` is cut off at the page's left, bottom, right and top, in points of the page as shown.
    """
    if seconds <= 0:
        raise Unread(SLOW)
    width, height = page.get_size()
    area = max(1.0, (width - crop[0] - crop[2]) * (height - crop[1] - crop[3]))
    scale = min(_DPI / 72, math.sqrt(MAX_PIXELS / area))
    drawn = apart(partial(_drawn, page, scale, crop), DRAWING_SECONDS, 3 * MAX_PIXELS)
    if drawn is None:
        raise Unread(DAMAGED)
    size = _SIZE.unpack_from(drawn)
    return recognised(Image.frombytes("L", size, drawn[_SIZE.size :]), ocr, seconds)


def _drawn(page: pdfium.PdfPage, scale: float, crop: Crop) -> bytes:
    """Render the page in shades of grey; returns its size, then the picture."""
    picture: Image.Image = page.render(scale=scale, grayscale=True, crop=crop).to_pil()
    return _SIZE.pack(*picture.size) + picture.tobytes()


def recognised(picture: Image.Image, ocr: Ocr, seconds: float) -> list[str]:
    """Return the text of a picture in shades of grey by lines. Raises as `lines` does."""
    if seconds <= 0:
        raise Unread(SLOW)
    import pytesseract  # loading it takes longer than reading most documents

    try:
        # Page segmentation mode 1 finds columns and rotates a page that was scanned sideways.
        seconds = min(seconds, ocr.page_seconds)
        table = str(pytesseract.image_to_data(picture, lang=ocr.languages, config="--psm 1", timeout=seconds))
    except pytesseract.TesseractNotFoundError as error:
        raise Unavailable("Tesseract is not installed") from error
    except pytesseract.TesseractError as error:
        if "data file" in str(error) or "languages" in str(error):
            raise Unavailable(f"Tesseract has no data for {ocr.languages!r}") from error
        raise Unread("is more than the program that reads pictures can take") from error
    except RuntimeError as error:
        raise Unread(SLOW) from error
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
