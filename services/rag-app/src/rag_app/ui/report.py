"""A document's reading report as HTML: what was read, and what was not."""

from rag_app.ui.formatting import count, text
from rag_core.models import ReadingReport

NOTED = "Ready, with notes"


def summary(report: ReadingReport | None) -> list[str]:
    """What was read besides plain text, as short facts."""
    return [count(number, part) for part, number in sorted(report.parts.items())] if report else []


def has_notes(report: ReadingReport | None) -> bool:
    """Whether to warn the user that part of the document is missing."""
    return report is not None and bool(report.unread or report.words_lost)


def report_html(report: ReadingReport | None) -> str:
    """The report's lines under a summary that expands them; empty if there are none."""
    if report is None:
        return ""
    lines = [*report.unread, *report.remarks]
    if report.words_lost:
        lines.insert(0, f"{count(report.words_lost, 'word')} of {report.words:,} cannot be searched")
    if not lines:
        return ""
    if report.more:
        lines.append(f"and {count(report.more, 'more note')}")
    unread = len(report.unread)
    title = f"{count(unread, 'part')} not read" if unread else "Notes on reading"
    items = "".join(f'<li dir="auto">{text(line[:1].upper() + line[1:])}</li>' for line in lines)
    return f'<details class="rd-report"><summary>{title}</summary><ul>{items}</ul></details>'
