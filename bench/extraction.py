"""Libraries that read PDF, on manuals whose HTML edition tells what their text is.

    python -m bench.extraction DIRECTORY_OF_PDF DIRECTORY_OF_HTML

For instance Debian's r-doc-pdf and r-doc-html, unpacked. Each library is installed into an environment of its
own and run in a process of its own. Right is a pair of neighbouring words that the HTML edition has, too.
"""

from __future__ import annotations

import itertools
import json
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from bs4 import BeautifulSoup

from bench.measuring import ROOT, Figure, machine, show

PROGRAM = """
import json, resource, sys, time
began = time.monotonic()
pages = read(sys.argv[1])
seconds = time.monotonic() - began
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
json.dump({"seconds": seconds, "peak": peak, "pages": len(pages), "text": chr(10).join(pages)}, sys.stdout)
"""
READERS = {
    "pypdfium2": """
import pypdfium2
def read(path):
    pages = []
    with pypdfium2.PdfDocument(path) as document:
        for page in document:
            pages.append(page.get_textpage().get_text_range())
            page.close()
    return pages
""",
    "pypdf": """
import pypdf
def read(path):
    return [page.extract_text() for page in pypdf.PdfReader(path).pages]
""",
    "pdfminer.six": """
from pdfminer.high_level import extract_text
def read(path):
    return extract_text(path).split(chr(12))[:-1]
""",
    "pdfplumber": """
import pdfplumber
def read(path):
    pages = []
    with pdfplumber.open(path) as document:
        for page in document.pages:
            pages.append(page.extract_text() or "")
            page.close()
    return pages
""",
    "markitdown[pdf]": """
from markitdown import MarkItDown
def read(path):
    return MarkItDown().convert(path).text_content.split(chr(12))
""",
    "kreuzberg": """
import kreuzberg
def read(path):
    return [kreuzberg.extract_file_sync(path).content]
""",
}


def environment(library: str, home: Path) -> tuple[Path, float]:
    """A Python with the library in it, and the MiB it takes."""
    where = home / re.sub(r"\W", "-", library)
    uv = ROOT / ".venv" / "bin" / "uv"
    subprocess.run([uv, "venv", "--quiet", "--python", sys.executable, where], check=True)
    python = where / "bin" / "python"
    subprocess.run([uv, "pip", "install", "--quiet", "--python", python, library], check=True)
    packages = next(where.glob("lib/python*/site-packages"))
    return python, sum(f.stat().st_size for f in packages.rglob("*") if f.is_file()) / 2**20


def words(text: str) -> list[str]:
    """Words as both editions spell them; hyphens at line ends are closed."""
    return re.findall(r"[a-z0-9]+", re.sub(r"-\n", "", text).lower().replace("\u00ad", ""))


def pairs(found: list[str]) -> Counter[tuple[str, str]]:
    """Neighbouring words."""
    return Counter(itertools.pairwise(found))


def right(text: str, truth: str) -> float:
    """How much of the true text was read, word pair by word pair, in percent."""
    have, want = pairs(words(text)), pairs(words(truth))
    return 100 * sum((have & want).values()) / sum(want.values())


def main(pdfs: Path, pages: Path) -> None:
    """Measure each library on each manual that is there in both editions."""
    about = machine()
    manuals = [one for one in sorted(pdfs.glob("*.pdf")) if (pages / f"{one.stem}.html").is_file()]
    truths = {
        one: BeautifulSoup((pages / f"{one.stem}.html").read_bytes(), "lxml").get_text() for one in manuals
    }
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        for library, reader in READERS.items():
            python, size = environment(library, Path(scratch))
            runs = []
            for manual in manuals:
                done = subprocess.run(
                    [python, "-c", reader + PROGRAM, manual], capture_output=True, text=True, check=True
                )
                runs.append((json.loads(done.stdout), truths[manual]))
            seconds = sum(run["seconds"] for run, _ in runs)
            quality = sum(right(run["text"], truth) for run, truth in runs) / len(runs)
            peak = max(run["peak"] for run, _ in runs)
            note = f"{seconds:.1f} s, {peak:.0f} MiB at most, {size:.0f} MiB installed"
            figures.append(Figure(library.partition("[")[0], quality, "% of the text", note=note))
    show("extraction", f"Text of {len(manuals)} manuals", figures, about)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
