"""Compare the headings found in PDFs with the outline that each PDF contains; count tables too.

    python -m bench.headings DIRECTORY_OF_PDF

For instance Debian's r-doc-pdf, unpacked. Each PDF is read as it is, and once more without its outline. The
outline is the ground truth, so a heading found in the text but missing from the outline counts as surplus.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from pathlib import Path

import pypdfium2

from bench.measuring import Figure, machine, show
from rag_core.extract.blocks import Block, BlockKind
from rag_core.extract.pdf import headings, parse
from rag_core.extract.pictures import Recognition

MAX_PAGES = 10_000
Places = list[tuple[int, int, str]]


def read(path: Path) -> tuple[list[Block], float]:
    """The blocks, and the seconds of processor time they took."""
    began = time.process_time()
    found = [item for item in parse(path, MAX_PAGES, Recognition(None)) if isinstance(item, Block)]
    return found, time.process_time() - began


def bare(path: Path, target: Path) -> tuple[Places, int]:
    """Write the PDF without its outline; return the outline as (page, level, key), and the page count."""
    with pypdfium2.PdfDocument(path) as whole, pypdfium2.PdfDocument.new() as copy:
        titles = headings.outline(whole)
        copy.import_pages(whole)
        copy.save(target)
        found = [(page, level, title) for page, here in titles.items() for level, title in here]
        # A first-level outline entry "A Sources" is printed as "Appendix A Sources" on its page.
        plain = [
            (page, level, f"Appendix {t}" if level == 1 and t[1:2] == " " else t) for page, level, t in found
        ]
        return [(page, level, headings.key(title)) for page, level, title in plain], len(whole)


def matched(found: Places, truth: Places) -> tuple[int, int]:
    """Count the true headings that were found on their page, and those of them with the right level."""
    left, hits, levels = list(found), 0, 0
    for page, level, key in truth:
        same = next((one for one in left if (one[0], one[2]) == (page, key)), None)
        if same:
            left.remove(same)
            hits += 1
            levels += same[1] == level
    return hits, levels


def main(folder: Path) -> None:
    """Measure every PDF of the folder that has an outline."""
    about = machine()
    figures = []
    with tempfile.TemporaryDirectory() as scratch:
        for path in sorted(folder.glob("*.pdf")):
            truth, pages = bare(path, Path(scratch) / "bare.pdf")
            if not truth:
                continue
            whole, outlined = read(path)
            blocks, typed = read(Path(scratch) / "bare.pdf")
            found = [(b.page, b.level, headings.key(b.text)) for b in blocks if b.kind is BlockKind.HEADING]
            hits, levels = matched(found, truth)
            note = (
                f"{hits} of {len(truth)}, {levels} at their level, {len(found) - hits} more;"
                f" {1000 * typed / pages:.1f} ms a page, {1000 * outlined / pages:.1f} with its outline;"
                f" {sum(b.kind is BlockKind.TABLE for b in whole)} tables on {pages} pages"
            )
            figures.append(Figure(path.stem, 100 * hits / len(truth), "% of the headings", note=note))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    figures.append(Figure("memory", peak, "MiB at most"))
    show("headings", "Headings without outline", figures, about)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
