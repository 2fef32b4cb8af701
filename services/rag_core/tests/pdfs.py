"""PDFs built by hand, object by object, for content that no library writes."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import pypdfium2

from rag_core.extract import Block, Limits, Note, Parser
from rag_core.models import DocumentKind

LIMITS = Limits(stall_seconds=60, cpu_seconds=120, memory_mib=472, max_pages=2000)


def pdf(objects: Sequence[str | bytes]) -> bytes:
    """A PDF of these objects, numbered from 1; the first is the catalogue."""
    data = b"%PDF-1.7\n"
    places = []
    for number, one in enumerate(objects, 1):
        places.append(len(data))
        data += f"{number} 0 obj\n".encode() + (one.encode() if isinstance(one, str) else one) + b"\nendobj\n"
    table = "".join(f"{place:010d} 00000 n \n" for place in places)
    end = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n{table}"
    end += f"trailer\n<</Root 1 0 R/Size {len(objects) + 1}>>\nstartxref\n{len(data)}\n%%EOF\n"
    return data + end.encode()


def stream(content: str, more: str = "") -> str:
    """A stream object."""
    return f"<<{more}/Length {len(content)}>>\nstream\n{content}\nendstream"


def packed(content: bytes, more: str = "") -> bytes:
    """A compressed stream object."""
    data = zlib.compress(content, 9)
    return f"<<{more}/Filter/FlateDecode/Length {len(data)}>>\nstream\n".encode() + data + b"\nendstream"


def laborious(times: int, text: str) -> bytes:
    """A PDF of five kilobytes that keeps its parser busy for `times` fractions of a second, in little memory.

    Its page draws a form `times` times; each time, a million operators are read that have no effect.
    """
    page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources"
    return pdf(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            f"{page}<</XObject<</N 5 0 R>>/Font<</F 6 0 R>>>>>>",
            packed(said(text, 40, 600).encode() + b"/N Do " * times),
            packed(b"q Q " * 1_000_000, "/Type/XObject/Subtype/Form/BBox[0 0 9 9]"),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


def unending() -> bytes:
    """A PDF that keeps its parser busy for hours, within one call."""
    return laborious(10_000, "nobody reads this")


def tangled() -> bytes:
    """A PDF of four kilobytes that fills memory: nested forms draw 40^8 pieces of text."""
    depth = 8
    box = "/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources"
    forms = [stream("/N Do " * 40, f"{box}<</XObject<</N {5 + n} 0 R>>>>") for n in range(depth)]
    page = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 13 0 R/Resources"
    return pdf(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            f"{page}<</XObject<</N 4 0 R>>/Font<</F 14 0 R>>>>>>",
            *forms,
            stream("BT /F 9 Tf (x) Tj ET", f"{box}<</Font<</F 14 0 R>>>>"),
            stream("/N Do"),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


def hidden_letters(line: str) -> bytes:
    """A PDF whose font maps its letters to private-use characters: readable only by eye."""
    return _lettered([line.encode()], {ord(one): 0xE000 + ord(one) for one in line})


def spelled(lines: Sequence[str]) -> bytes:
    """A PDF with these lines in a font that has every letter they need."""
    codes = {one: number for number, one in enumerate(sorted(set("".join(lines))), 33)}
    shown = [bytes(codes[one] for one in line) for line in lines]
    return _lettered(shown, {code: ord(one) for one, code in codes.items()}, 10)


def right_to_left(line: str) -> bytes:
    """A PDF with this line in its own embedded letters, drawn from left to right as typesetters do."""
    codes = {one: number for number, one in enumerate(sorted(set(line)), 33)}
    return _lettered(
        [bytes(codes[one] for one in reversed(line))], {code: ord(one) for one, code in codes.items()}
    )


def east_asian(line: str, ordering: str, encoding: str) -> bytes:
    """A PDF with this line in a font that is not embedded, as is common in East Asian PDFs."""
    return pdf(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            stream(f"BT /F 12 Tf 40 600 Td <{line.encode('utf-16-be').hex()}> Tj ET"),
            f"<</Type/Font/Subtype/Type0/BaseFont/Song/Encoding/{encoding}/DescendantFonts[6 0 R]>>",
            "<</Type/Font/Subtype/CIDFontType0/BaseFont/Song/FontDescriptor 7 0 R"
            f"/CIDSystemInfo<</Registry(Adobe)/Ordering({ordering})/Supplement 2>>>>",
            "<</Type/FontDescriptor/FontName/Song/Flags 4/FontBBox[0 -200 1000 900]/ItalicAngle 0"
            "/Ascent 800/Descent -200/StemV 80>>",
        ]
    )


def _lettered(lines: Sequence[bytes], meanings: Mapping[int, int], size: int = 24) -> bytes:
    """A PDF that shows these lines of codes in a font that maps each code to a character."""
    pairs = "\n".join(f"<{code:02x}> <{meaning:04x}>" for code, meaning in sorted(meanings.items()))
    mapping = (
        "/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def /CMapType 2 def\n"
        f"1 begincodespacerange <00> <ff> endcodespacerange\n{len(meanings)} beginbfchar\n{pairs}\n"
        "endbfchar endcmap end end"
    )
    return pdf(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>",
            stream(
                "".join(
                    f"BT /F {size} Tf 40 {600 - 13 * n} Td <{codes.hex()}> Tj ET\n"
                    for n, codes in enumerate(lines)
                )
            ),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica/ToUnicode 6 0 R>>",
            stream(mapping),
        ]
    )


def drawn(content: str, more: str = "") -> bytes:
    """A PDF of one page, 600 by 800 points, with Helvetica as /F; `more` is added to the page's entries."""
    return pdf(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R"
            f"/Resources<</Font<</F 5 0 R>>>>{more}>>",
            stream(content),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        ]
    )


def said(text: str, x: float, y: float, size: float = 10) -> str:
    """Content that shows a line of text at a point."""
    return f"BT /F {size} Tf {x} {y} Td ({text}) Tj ET\n"


def line(x1: float, y1: float, x2: float, y2: float) -> str:
    """Content that draws a line."""
    return f"{x1} {y1} m {x2} {y2} l S\n"


def grid(xs: Sequence[float], ys: Sequence[float]) -> str:
    """Content that draws a full grid of lines at each x and y."""
    return "".join(line(x, ys[0], x, ys[-1]) for x in xs) + "".join(line(xs[0], y, xs[-1], y) for y in ys)


def cells(rows: Sequence[Sequence[str]], xs: Sequence[float], tops: Sequence[float]) -> str:
    """Content that shows rows of text, each cell in its column, 13 points below its top."""
    return "".join(
        said(text, x + 3, top - 13)
        for row, top in zip(rows, tops, strict=True)
        for text, x in zip(row, xs, strict=False)
    )


def blocks(parser: Parser, path: Path) -> list[Block]:
    """The blocks that the real parsing process reads from a PDF."""
    return [item for item in parser.parse(path, DocumentKind.PDF) if isinstance(item, Block)]


def paged(contents: Sequence[str], more: str = "") -> bytes:
    """A PDF with a page, 600 by 800 points, for each content; `more` is added to each page's entries."""
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(contents)))
    page = f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Resources<</Font<</F 3 0 R>>>>{more}/Contents"
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(contents)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for n, content in enumerate(contents):
        objects += [f"{page} {5 + 2 * n} 0 R>>", stream(content)]
    return pdf(objects)


def words(parser: Parser, path: Path) -> str:
    """All text of a PDF in one line."""
    return " ".join(" ".join(block.text for block in blocks(parser, path)).split())


def notes(parser: Parser, path: Path) -> list[Note]:
    """The notes of a PDF's reading report."""
    return [item for item in parser.parse(path, DocumentKind.PDF) if isinstance(item, Note)]


def form(widgets: Sequence[str], content: str, more: str = "") -> bytes:
    """A PDF of one page with these form fields, each given as the entries of its dictionary."""
    numbers = [6 + n for n in range(len(widgets))]
    listed = " ".join(f"{n} 0 R" for n in numbers)
    return pdf(
        [
            f"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[{listed}]/DA(/F 0 Tf 0 g)"
            f"/DR<</Font<</F 5 0 R>>>>{more}>>>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Annots[{listed}]"
            "/Resources<</Font<</F 5 0 R>>>>>>",
            stream(content),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            *(f"<</Type/Annot/Subtype/Widget/P 3 0 R{one}>>" for one in widgets),
        ]
    )


def annotated(
    annotations: Sequence[str], content: str, more: Sequence[str | bytes] = (), catalogue: str = ""
) -> bytes:
    """A PDF of one page with these annotations; `more` holds further objects, numbered from 6."""
    return pdf(
        [
            f"<</Type/Catalog/Pages 2 0 R{catalogue}>>",
            "<</Type/Pages/Kids[3 0 R]/Count 1>>",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>"
            f"/Annots[{' '.join(f'<</Type/Annot{one}>>' for one in annotations)}]>>",
            stream(content),
            "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
            *more,
        ]
    )


def with_files(files: Sequence[tuple[str, bytes]], content: str) -> bytes:
    """A PDF of one page with these embedded files, compressed."""
    more: list[str | bytes] = []
    names = []
    for name, data in files:
        number = 6 + len(more)
        more.append(packed(data, "/Type/EmbeddedFile"))
        more.append(f"<</Type/Filespec/F({name})/UF({name})/EF<</F {number} 0 R>>>>")
        names.append(f"({name}) {number + 1} 0 R")
    return annotated([], content, more, f"/Names<</EmbeddedFiles<</Names[{' '.join(names)}]>>>>")


def picture(lines: Sequence[str], size: tuple[int, int] = (600, 300)) -> bytes:
    """An image of this text as a PDF object; `size` is in points, with two pixels for each."""
    return dots((2 * size[0], 2 * size[1]), picture_rows(lines, size))


def picture_rows(lines: Sequence[str], size: tuple[int, int] = (600, 300)) -> bytes:
    """The pixels of such an image, row by row."""
    width, height = size
    text = "".join(said(line, 30, 760 - 40 * n, 20) for n, line in enumerate(lines))
    with pypdfium2.PdfDocument(drawn(text)) as document:
        shown = document[0].render(scale=2, grayscale=True, crop=(0, 800 - height, 600 - width, 0)).to_pil()
    return bytes(shown.tobytes())


def dots(size: tuple[int, int], data: bytes, bits: int = 8) -> bytes:
    """An image with these pixels as a PDF object."""
    more = f"/Type/XObject/Subtype/Image/Width {size[0]}/Height {size[1]}/BitsPerComponent {bits}"
    return packed(data, f"{more}/ColorSpace/DeviceGray")


def illustrated(contents: Sequence[str], pictures: Sequence[bytes], more: str = "") -> bytes:
    """A PDF with a page for each content, with the pictures as /I0, /I1 ..."""
    first = 4 + 2 * len(contents)
    names = " ".join(f"/I{n} {first + n} 0 R" for n in range(len(pictures)))
    kids = " ".join(f"{4 + 2 * n} 0 R" for n in range(len(contents)))
    page = (
        "<</Type/Page/Parent 2 0 R/MediaBox[0 0 600 800]"
        f"/Resources<</Font<</F 3 0 R>>/XObject<<{names}>>>>{more}/Contents"
    )
    objects: list[str | bytes] = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(contents)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for n, content in enumerate(contents):
        objects += [f"{page} {5 + 2 * n} 0 R>>", stream(content)]
    return pdf([*objects, *pictures])


def placed(name: str, left: float, bottom: float, width: float, height: float) -> str:
    """Content that shows a picture at a position."""
    return f"q {width} 0 0 {height} {left} {bottom} cm /{name} Do Q\n"
