"""Real files in the real child process: text, pages and headings are kept; bad files fail with a reason."""

from __future__ import annotations

import itertools
import os
import signal
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import docx
import pytest
from docx.enum.text import WD_BREAK

from rag_core.errors import ExtractionFailed
from rag_core.extract import Block, BlockKind, Head, Limits, Parser
from rag_core.extract import text as text_parser
from rag_core.extract.sniff import sniff
from rag_core.models import DocumentKind
from services.rag_core.tests.pdfs import pdf, unending

MakePdf = Callable[..., Path]
LIMITS = Limits(stall_seconds=60, cpu_seconds=60, memory_mib=1024, max_pages=50)


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser(LIMITS) as one:
        yield one


def read(parser: Parser, path: Path, kind: DocumentKind) -> tuple[Head, list[Block]]:
    head, *blocks = parser.parse(path, kind)
    assert isinstance(head, Head)
    return head, [b for b in blocks if isinstance(b, Block)]


def failure(parser: Parser, path: Path, kind: DocumentKind = DocumentKind.PDF) -> ExtractionFailed:
    with pytest.raises(ExtractionFailed) as caught:
        list(parser.parse(path, kind))
    return caught.value


def write(path: Path, content: str | bytes) -> Path:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def test_pdf_keeps_pages_and_headings(parser: Parser, make_pdf: MakePdf) -> None:
    path = make_pdf(["First page text.", "Second page text.", "Third page text."], headings={2: "Methods"})
    head, blocks = read(parser, path, DocumentKind.PDF)
    assert head.pages == 3
    assert [(b.kind, b.text, b.page) for b in blocks] == [
        (BlockKind.TEXT, "First page text.", 1),
        (BlockKind.HEADING, "Methods", 2),
        (BlockKind.TEXT, "Second page text.", 2),
        (BlockKind.TEXT, "Third page text.", 3),
    ]


def test_running_headers_and_page_numbers_are_left_out(parser: Parser, make_pdf: MakePdf) -> None:
    pages = [
        "\n".join(
            [
                "The Example Handbook",
                f"Alpha {word} one.",
                "Beta two.",
                "Gamma three.",
                f"Delta {word}.",
                f"{n}",
            ]
        )
        for n, word in enumerate(["red", "green", "blue", "grey", "white"], 1)
    ]
    text = " ".join(b.text for b in read(parser, make_pdf(pages), DocumentKind.PDF)[1])
    assert text.count("Handbook") == 1
    assert all(word in text for word in ["red", "green", "blue", "grey", "white", "Delta"])
    assert not any(digit in text for digit in "12345")


def test_locked_pdf_says_password(parser: Parser, make_pdf: MakePdf) -> None:
    error = failure(parser, make_pdf(["secret"], password="secret"))
    assert error.code == "encrypted"
    assert "password" in error.message


def test_truncated_pdf_is_damaged(parser: Parser, tmp_path: Path, make_pdf: MakePdf) -> None:
    whole = make_pdf(["text " * 300] * 5).read_bytes()
    error = failure(parser, write(tmp_path / "cut.pdf", whole[:400]))
    assert error.code == "corrupt"
    assert "breaks off" in error.message


def test_garbage_after_the_mark_is_damaged(parser: Parser, tmp_path: Path) -> None:
    error = failure(parser, write(tmp_path / "bad.pdf", b"%PDF-1.7\n" + os.urandom(3000) + b"\n%%EOF\n"))
    assert error.code == "corrupt"


def test_pdf_without_pages_says_so(parser: Parser, tmp_path: Path, make_pdf: MakePdf) -> None:
    """Also right after a locked PDF in the same process: without a new error, Pdfium reports the last one."""
    assert failure(parser, make_pdf(["secret"], password="secret")).code == "encrypted"
    body = (
        b"%PDF-1.4\n1 0 obj\n<</Type/Catalog/Pages 2 0 R>>\nendobj\n"
        b"2 0 obj\n<</Type/Pages/Kids[]/Count 0>>\nendobj\ntrailer\n<</Root 1 0 R/Size 3>>\n%%EOF\n"
    )
    well_formed = pdf(["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 0>>"])
    for content in (well_formed, body):
        assert failure(parser, write(tmp_path / "none.pdf", content)).code == "no_pages"


def test_pdf_of_blank_pages_says_so(parser: Parser, make_pdf: MakePdf) -> None:
    error = failure(parser, make_pdf(["", ""]))
    assert error.code == "no_text"
    assert "blank" in error.message


def test_pdf_of_too_many_pages_is_refused(parser: Parser, make_pdf: MakePdf) -> None:
    error = failure(parser, make_pdf(["x"] * 51))
    assert error.code == "too_many_pages"
    assert "51" in error.message


def test_word_keeps_headings_tables_and_pages(parser: Parser, tmp_path: Path) -> None:
    document = docx.Document()
    document.core_properties.title = "The Report"
    document.add_heading("Results", 1)
    document.add_paragraph("We found it.")
    document.add_paragraph().add_run().add_break(WD_BREAK.PAGE)
    document.add_paragraph("On the second page.")
    table = document.add_table(rows=2, cols=2)
    for cell, text in zip(
        (c for row in table.rows for c in row.cells), ["name", "value", "x|y", "2"], strict=True
    ):
        cell.text = text
    document.save(str(tmp_path / "r.docx"))
    head, blocks = read(parser, tmp_path / "r.docx", DocumentKind.DOCX)
    assert (head.title, head.pages) == ("The Report", 2)
    assert [(b.kind, b.text, b.page) for b in blocks] == [
        (BlockKind.HEADING, "Results", 1),
        (BlockKind.TEXT, "We found it.", 1),
        (BlockKind.TEXT, "On the second page.", 2),
        (BlockKind.TABLE, "| name | value |\n| --- | --- |\n| x\\|y | 2 |", 2),
    ]


def test_zip_bomb_is_refused_before_it_is_unpacked(parser: Parser, tmp_path: Path) -> None:
    path = tmp_path / "bomb.docx"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        with archive.open("word/document.xml", "w") as entry:
            for _ in range(310):
                entry.write(b" " * 2**20)
    assert path.stat().st_size < 2**20
    started = time.monotonic()
    assert failure(parser, path, DocumentKind.DOCX).code == "zip_bomb"
    assert time.monotonic() - started < 10


def test_html_keeps_structure_and_drops_the_rest(parser: Parser, tmp_path: Path) -> None:
    page = """<!DOCTYPE html><html><head><title>Guide</title><style>p{}</style></head><body>
    <nav>Home | About</nav><script>alert(1)</script><h1>Set up</h1><p>Run <code>make up</code>
    first.</p><ul><li>one</li><li>two</li></ul><pre>a
      b</pre><table><tr><th>k</th><th>v</th></tr><tr><td>x</td><td>1</td></tr></table><h2>More</h2>tail</body></html>"""
    head, blocks = read(parser, write(tmp_path / "g.html", page), DocumentKind.HTML)
    assert head.title == "Guide"
    assert [(b.kind.value, b.text, b.level) for b in blocks] == [
        ("heading", "Set up", 1),
        ("text", "Run make up first.", 0),
        ("text", "- one", 0),
        ("text", "- two", 0),
        ("code", "a\n      b", 0),
        ("table", "| k | v |\n| --- | --- |\n| x | 1 |", 0),
        ("heading", "More", 2),
        ("text", "tail", 0),
    ]


def test_deeply_nested_html_is_read_in_one_walk(parser: Parser, tmp_path: Path) -> None:
    """A quadratic number of steps would exceed the parser's stall limit."""
    page = "<html><body>" + "<div>" * 20_000 + "deep" + "</div>" * 20_000 + "</body></html>"
    path = write(tmp_path / "deep.html", page)
    assert read(parser, path, DocumentKind.HTML)[1][0].text == "deep"
    good = write(tmp_path / "ok.html", "<html><body>fine</body></html>")
    assert read(parser, good, DocumentKind.HTML)[1][0].text == "fine"


def test_markdown_keeps_headings_code_and_tables(parser: Parser, tmp_path: Path) -> None:
    text = "# One\n\nintro\nlines\n\n```sh\n# not a heading\n```\n\nTwo\n---\n\n"
    text += "| a | b |\n| - | - |\n| 1 | 2 |\nafter\n"
    _, blocks = read(parser, write(tmp_path / "m.md", text), DocumentKind.MARKDOWN)
    assert [(b.kind.value, b.text) for b in blocks] == [
        ("heading", "One"),
        ("text", "intro\nlines"),
        ("code", "```sh\n# not a heading\n```"),
        ("heading", "Two"),
        ("table", "| a | b |\n| - | - |\n| 1 | 2 |"),
        ("text", "after"),
    ]


def test_form_feed_starts_a_page_of_plain_text(parser: Parser, tmp_path: Path) -> None:
    head, blocks = read(parser, write(tmp_path / "t.txt", "one\n\ftwo\n\fthree"), DocumentKind.TEXT)
    assert head.pages == 3
    assert [(b.text, b.page) for b in blocks] == [("one", 1), ("two", 2), ("three", 3)]


def test_stored_file_that_is_gone_says_so(parser: Parser, tmp_path: Path) -> None:
    assert failure(parser, tmp_path / "gone.txt", DocumentKind.TEXT).code == "file_missing"


def test_standing_parser_is_killed_and_the_next_file_is_read(tmp_path: Path) -> None:
    """The process is stopped in the middle of a file, as if it hung: it must be killed and replaced."""
    long = write(tmp_path / "long.txt", "word\n\n" * 400_000)
    short = write(tmp_path / "short.txt", "fine")
    with Parser(Limits(stall_seconds=5, cpu_seconds=60, memory_mib=1024, max_pages=50)) as parser:
        read(parser, short, DocumentKind.TEXT)  # starting the process may take long, so do it first
        items = parser.parse(long, DocumentKind.TEXT)
        next(items)
        process = parser._process
        assert process is not None
        os.kill(process.pid, signal.SIGSTOP)
        with pytest.raises(ExtractionFailed) as caught:
            list(items)
        assert caught.value.code == "parser_hung"
        assert process.poll() is not None, "the standing process must be gone"
        assert read(parser, short, DocumentKind.TEXT)[1][0].text == "fine"


def test_caller_is_asked_while_the_parser_is_silent_and_may_end_it(tmp_path: Path) -> None:
    """A worker that must stop, or whose document is withdrawn, does not wait for a file that hangs."""
    asked: list[float] = []
    headed = False

    def no_longer() -> None:
        if headed:
            asked.append(time.monotonic())
        if len(asked) == 3:
            raise InterruptedError

    hang = write(tmp_path / "hang.pdf", unending())
    short = write(tmp_path / "short.txt", "fine")
    with Parser(LIMITS) as parser:
        items = parser.parse(hang, DocumentKind.PDF, no_longer)
        headed = isinstance(next(items), Head)
        process = parser._process
        assert process is not None
        with pytest.raises(InterruptedError):
            list(items)
        assert process.poll() is not None, "the hanging process must be gone"
        assert all(later - before > 0.9 for before, later in itertools.pairwise(asked))
        assert read(parser, short, DocumentKind.TEXT)[1][0].text == "fine"


def test_endless_computing_is_ended_by_the_processor_limit(tmp_path: Path) -> None:
    page = write(tmp_path / "heavy.html", "<html><body>" + "<p>a</p>" * 400_000 + "</body></html>")
    with Parser(Limits(stall_seconds=120, cpu_seconds=1, memory_mib=2048, max_pages=50)) as parser:
        assert failure(parser, page, DocumentKind.HTML).code == "parser_hung"


def test_memory_hog_is_set_aside_and_the_next_file_is_read(tmp_path: Path) -> None:
    page = write(tmp_path / "hog.html", "<html><body>" + "<p>a</p>" * 400_000 + "</body></html>")
    short = write(tmp_path / "short.txt", "fine")
    with Parser(Limits(stall_seconds=120, cpu_seconds=120, memory_mib=300, max_pages=50)) as parser:
        assert failure(parser, page, DocumentKind.HTML).code in {"too_much_memory", "parser_crashed"}
        assert read(parser, short, DocumentKind.TEXT)[1][0].text == "fine"


def test_killed_parser_is_worth_another_attempt(tmp_path: Path) -> None:
    long = write(tmp_path / "long.txt", "word\n\n" * 400_000)
    with Parser(LIMITS) as parser:
        items = parser.parse(long, DocumentKind.TEXT)
        next(items)
        process = parser._process
        assert process is not None
        threading.Timer(0.0, process.kill).start()
        with pytest.raises(ExtractionFailed) as caught:
            list(items)
        assert (caught.value.code, caught.value.retryable) == ("parser_killed", True)


def test_reading_can_stop_early(parser: Parser, tmp_path: Path) -> None:
    long = write(tmp_path / "long.txt", "word\n\n" * 50_000)
    items = parser.parse(long, DocumentKind.TEXT)
    next(items)
    items.close()  # type: ignore[attr-defined]
    assert read(parser, write(tmp_path / "s.txt", "fine"), DocumentKind.TEXT)[1][0].text == "fine"


@pytest.mark.parametrize("name", ["a.txt", "a.md"])
def test_a_line_longer_than_a_block_is_cut_between_words(parser: Parser, tmp_path: Path, name: str) -> None:
    """Some programs export a paragraph as one line."""
    words = [f"word{n}" for n in range(9000)]
    _, blocks = read(parser, write(tmp_path / name, " ".join(words)), sniff(tmp_path / name, name))
    assert " ".join(block.text for block in blocks).split() == words


@pytest.mark.parametrize("markdown", [True, False])
@pytest.mark.parametrize("before", ["", "```\n"], ids=["text", "listing"])
def test_lines_without_a_blank_one_are_given_as_they_are_read(before: str, markdown: bool) -> None:
    """A log of 100 MiB is one paragraph, and must not be held in memory as a whole."""
    taken = 0

    def lines() -> Iterator[str]:
        nonlocal taken
        yield before
        for number in range(100_000):
            taken = number
            yield "Ship in, ship out.\n"

    given = text_parser.blocks_of(lines(), markdown=markdown)
    assert "Ship in, ship out." in next(given).text
    assert taken < 2000


def test_a_flood_of_blank_lines_is_passed_over(parser: Parser, tmp_path: Path) -> None:
    path = write(tmp_path / "a.txt", "Begin\n" + " \n" * 500_000 + "End\n")
    assert [block.text for block in read(parser, path, DocumentKind.TEXT)[1]] == ["Begin", "End"]
