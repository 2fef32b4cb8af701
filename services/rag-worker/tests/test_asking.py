"""The filters of `ask` and `search` reach the search, and unsupported sentences are listed."""

from __future__ import annotations

import io
from datetime import UTC, datetime

import pytest
from rich.console import Console

from rag_core.models import Answer, Citation, DocumentKind, Filters, SentenceSupport
from rag_worker import asking, cli

COMMANDS = ["search", "ask"]


def shown(answer: Answer) -> str:
    out = Console(file=io.StringIO(), width=200)
    asking.show_sources(answer, out)
    return str(out.file.getvalue())  # type: ignore[attr-defined]


def test_sentences_without_a_source_are_marked() -> None:
    message = (
        SentenceSupport(text="It leaves at nine.", citations=(1,)),
        SentenceSupport(text="It is blue."),
    )
    cited = Citation(
        number=1, document_id="a", document="a.txt", page_start=2, page_end=2, passage="leaves at nine"
    )
    answer = Answer(
        answer="It leaves at nine [1]. It is blue.", citations=(cited,), sentences=message, model="m"
    )
    assert "[1] a.txt, page 2: leaves at nine" in shown(answer)
    assert "Not wholly supported by any passage:\n  ? It is blue." in shown(answer)
    assert "Not supported" not in shown(answer.model_copy(update={"sentences": message[:1]}))


@pytest.mark.parametrize("command", COMMANDS)
def test_each_condition_is_taken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Filters] = []
    real = asking.filters

    def stop(*given: object) -> Filters:
        seen.append(real(*given))  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(asking, "filters", stop)
    given = ["--document", "x", "--document", "y", "--type", "pdf", "--tag", "a", "--tag", "b"]
    given += ["--since", "2026-11-01", "--until", "2026-11-02T09:00:00+0100"]
    assert cli._guarded(lambda: cli.app([command, "q", *given], standalone_mode=False)) == cli.INTERRUPTED
    assert seen == [
        Filters(
            documents=("x", "y"),
            kinds=(DocumentKind.PDF,),
            tags=("a", "b"),
            added_from=datetime(2026, 11, 1, tzinfo=UTC),
            added_to=datetime(2026, 11, 2, 8, tzinfo=UTC),
        )
    ]
