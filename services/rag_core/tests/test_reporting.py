"""The reading report says what was read and what was not; nothing is dropped silently."""

from __future__ import annotations

from rag_core.extract import Note, Part
from rag_core.ingest.reporting import MOST_CHARS, MOST_LINES, Reporting
from rag_core.ledger import Ledger
from rag_core.models import DocumentKind, ReadingReport


def report_of(*notes: Note) -> ReadingReport:
    reporting = Reporting()
    for note in notes:
        reporting.add(note)
    return reporting.report()


def test_parts_that_were_read_are_counted_by_kind() -> None:
    report = report_of(Note(Part.TABLE), Note(Part.COMMENT, 2), Note(Part.TABLE, 3))
    assert report.parts == {"table": 4, "comment": 2}
    assert report.unread == report.remarks == ()


def test_a_part_that_was_not_read_is_named_even_by_a_parser_that_gives_no_words() -> None:
    report = report_of(Note(Part.PICTURE, read=False, message="page 3: a picture without text"))
    assert report.unread == ("page 3: a picture without text",)
    assert report.parts == {}
    assert report_of(Note(Part.CHART, read=False)).unread == ("a chart could not be read",)


def test_what_is_worth_knowing_of_a_part_that_was_read_is_a_remark() -> None:
    line = "attachment figures.txt was read as part of this document"
    report = report_of(Note(Part.ATTACHMENT, message=line))
    assert report_of(Note(Part.TEXT, 0, message="read as Big5")).parts == {}
    assert (report.parts, report.remarks, report.unread) == ({"attachment": 1}, (line,), ())


def test_a_report_stays_short_and_says_how_much_it_leaves_out() -> None:
    remarks = [Note(Part.TEXT, message=f"remark {number}") for number in range(MOST_LINES)]
    long = "x" * (MOST_CHARS + 1)
    unread = [Note(Part.TEXT, read=False, message=f"{number} {long}") for number in range(MOST_LINES + 5)]
    report = report_of(*remarks, *unread, unread[-1])
    assert len(report.unread) == MOST_LINES
    assert report.remarks == ()
    assert max(map(len, report.unread)) == MOST_CHARS
    assert report.more == MOST_LINES + 5 + 1


def test_the_ledger_keeps_the_report_until_the_document_is_read_again(ledger: Ledger) -> None:
    document = ledger.enqueue(sha256="a" * 64, kind=DocumentKind.TEXT, size=3, name="a.txt")
    assert ledger.claim("w", 60) is not None
    report = ReadingReport(unread=("page 1: a picture without text",), words=10, words_lost=2)
    assert ledger.ready(document.id, "w", pages=1, chunks=1, report=report)
    assert ledger.get(document.id).report == report
    assert ledger.partly_read() == 1
    ledger.requeue_ready()
    assert ledger.get(document.id).report is None
    assert ledger.partly_read() == 0


def test_a_new_index_brings_the_report_of_its_own_reading(ledger: Ledger) -> None:
    document = ledger.enqueue(sha256="a" * 64, kind=DocumentKind.TEXT, size=3, name="a.txt")
    assert ledger.claim("w", 60) is not None
    assert ledger.ready(document.id, "w", pages=1, chunks=1, home="old", report=ReadingReport(unread=("x",)))
    ledger.begin_rebuild("new")
    assert ledger.claim_stale("w", 60, "new") is not None
    assert ledger.moved(document.id, "w", pages=1, chunks=1, home="new", report=ReadingReport(words=3))
    assert ledger.get(document.id).report == ReadingReport(words=3)


def test_a_document_of_an_older_release_has_no_report(ledger: Ledger) -> None:
    document = ledger.enqueue(sha256="a" * 64, kind=DocumentKind.TEXT, size=3, name="a.txt")
    assert ledger.claim("w", 60) is not None
    assert ledger.ready(document.id, "w", pages=1, chunks=1)
    assert ledger.get(document.id).report is None
    assert ledger.partly_read() == 0
