"""What the Ask page sends along with a question; the fake answerer only records its questions."""

import asyncio
import json
from collections.abc import Generator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from io import BytesIO
from typing import Any

import pytest
from fastapi import FastAPI
from gradio import EventData

from rag_app.backend import Backend
from rag_app.monitor import HealthMonitor
from rag_app.ui import filters, render
from rag_app.ui.ask import _asking, _rate, answering
from rag_app.ui.choices import Chosen
from rag_app.ui.talks import Unsaved, messages
from rag_core.answering.answerer import Answerer
from rag_core.models import (
    AnswerEvent,
    ComponentHealth,
    DocumentKind,
    Done,
    Filters,
    HealthReport,
    Question,
    Quote,
    Reading,
    Retrieved,
)

from .test_questions_api import ANSWER, PASSAGE, _figures

QUOTE = Quote(text="Oil it in <spring>.", document_id="d1", document="pump.md", page_start=3, page_end=3)
SOON = 20.0
CHOSEN = Chosen(model="tiny", top_k=3, timeout=40)


@dataclass
class Noting(Answerer):
    """Records its questions and answers at once; needs a model unless the question is "known"."""

    asked: list[Question] = field(default_factory=list)

    def first_model(self, question: Question) -> str:
        """The only one."""
        return "tiny"

    def ask(self, question: Question) -> Generator[AnswerEvent]:
        """One answer."""
        self.asked.append(question)
        known = question.text == "known"
        seconds = None if question.text == "first" else 3.6
        yield Retrieved(passages=(PASSAGE,), quotes=(QUOTE,), needs_model=not known)
        if not known:
            yield Reading(model="tiny", passages=1, seconds=seconds)
        yield Done(answer=ANSWER)


@pytest.fixture
def backend(app: FastAPI) -> Backend:
    """The app's backend with that answerer and two ready documents with tags."""
    backend: Backend = replace(app.state.backend, answerer=Noting())
    for name in ("a & b.md", "c.md"):
        document = backend.uploads.accept(name, BytesIO(f"# {name}\n".encode()))
        assert backend.ledger.claim("test", 60.0) is not None
        backend.ledger.ready(document.id, "test", pages=1, chunks=1)
        backend.tags.put(document.id, [name[0], "both"])
    return backend


def ask(backend: Backend, question: str, **options: Any) -> tuple[list[str], str]:
    """Return what is shown, and the conversation."""

    async def story() -> tuple[list[str], str]:
        talk = options.pop("talk", "")
        seen = [one async for one in answering(backend, question, talk, CHOSEN, **options)]
        return [shown for shown, _ in seen], seen[-1][1]

    return asyncio.run(story())


def asked(backend: Backend) -> Question:
    """The last question."""
    assert isinstance(backend.answerer, Noting)
    return backend.answerer.asked[-1]


def condition(backend: Backend) -> Filters:
    """The filters of the last question."""
    given = asked(backend).filters
    assert given is not None
    return given


def test_settings_go_with_the_question(backend: Backend) -> None:
    ask(backend, "x")
    assert (asked(backend).model, asked(backend).top_k, asked(backend).timeout) == ("tiny", 3, 40)
    assert asked(backend).filters is None


def test_the_filter_goes_with_the_question(backend: Backend) -> None:
    [(_, document), _] = filters.choices(backend)[0]
    ask(backend, "x", of_what=[[document], ["markdown"], ["both"], "2026-01-01", "2026-01-31"])
    given = condition(backend)
    assert (given.documents, given.kinds, given.tags) == (
        (document,),
        (DocumentKind.MARKDOWN,),
        ("both",),
    )
    assert given.added_from == datetime(2026, 1, 1, tzinfo=UTC)
    # The last day is included.
    assert given.added_to == datetime(2026, 2, 1, tzinfo=UTC)


def test_an_answer_ends_the_report_that_the_model_does_not_answer(backend: Backend) -> None:
    well = ComponentHealth(ok=True, latency_ms=5.0)
    reports = iter([HealthReport(opensearch=well, ollama=one) for one in (ComponentHealth(ok=False), well)])
    asked_for = replace(backend, monitor=HealthMonitor(lambda: next(reports)))
    assert asyncio.run(asked_for.monitor.reading()).light == "red"
    ask(asked_for, "x")
    assert asyncio.run(asked_for.monitor.reading()).light == "green"


def test_an_invalid_date_is_reported_and_nothing_is_asked(backend: Backend) -> None:
    said, _ = ask(backend, "x", of_what=[[], [], [], "soon", None])
    assert "is not a date" in said[-1]
    assert not backend.answerer.asked  # type: ignore[attr-defined]
    assert 'role="alert"' in filters.summary_html(backend, [[], [], [], "soon", None])


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "2024-02-29", "9999-12-30", "9999-12-31"])
def test_every_day_of_the_calendar_can_be_meant(day: str) -> None:
    given = filters.meant([[], [], [], day, day])
    assert given.added_from is not None
    assert given.added_from.date().isoformat() == day
    # The last day is included, and no day follows date.max.
    assert (given.added_to is None) == (day == "9999-12-31")


@pytest.mark.parametrize(
    "day",
    ["10000-01-01", "0000-01-01", "2026-02-30", "99999-12-31", "-001-01-01", "31.12.9999", "\x00", "x" * 999],
)
def test_an_invalid_day_is_reported(backend: Backend, day: str) -> None:
    for days in ([day, None], [None, day]):
        assert "is not a date" in filters.summary_html(backend, [[], [], [], *days])


def test_an_active_filter_is_shown_in_words(backend: Backend) -> None:
    documents, tags = filters.choices(backend)
    assert ([name for name, _ in documents], tags) == (["a & b.md", "c.md"], ["a", "both", "c"])
    assert filters.summary_html(backend, [[], [], [], None, None]) == ""
    shown = filters.summary_html(backend, [[documents[0][1], "gone"], ["pdf"], ["both"], None, "2026-01-31"])
    for part in ("Answers only from:", "a &amp; b.md", "a deleted document", "PDF", "both", "to 2026-01-31"):
        assert part in shown


def test_a_filter_is_recalled_as_far_as_it_is_still_there(backend: Backend) -> None:
    kept = json.dumps([["here", "gone"], ["pdf", "x"], ["both", "lost"], "2026-01-01", None])
    assert filters.recalled(kept, ["here"], ["both"]) == [["here"], ["pdf"], ["both"], "2026-01-01", None]
    for broken in (
        "",
        "{}",
        "[1]",
        "[1,2,3,4,5]",
        "[" * 60_000,
        '[[],[],[],"\\ud800",{}]',
        "[[],[],[],[1],7]",
    ):
        assert filters.recalled(broken, [], []) == [[], [], [], None, None]


def test_the_last_day_of_all_leaves_nothing_out(backend: Backend) -> None:
    """No day follows date.max, so there is no upper bound."""
    values: list[Any] = [[], [], [], None, "9999-12-31"]
    assert filters.meant(values).added_to is None
    assert "is not a date" not in filters.summary_html(backend, values)
    ask(backend, "x", of_what=values)
    assert condition(backend).added_to is None
    assert filters.meant([[], [], [], "9999-12-31", None]).added_from == datetime(9999, 12, 31, tzinfo=UTC)


def test_the_chat_is_what_the_store_holds(backend: Backend) -> None:
    """A browser sends only the id of a conversation, never its messages."""
    _, talk = ask(backend, "first")
    exchange = backend.conversations.get(talk).exchanges[0]
    shown = _asking(backend, talk, "second", [])
    assert [message["role"] for message in shown] == ["user", "assistant", "user"]
    assert [shown[0]["content"], shown[2]["content"]] == [
        render.question_markdown("first"),
        render.question_markdown("second"),
    ]
    assert shown[1]["content"] == render.answer_markdown(ANSWER, "first", exchange.id)
    for unknown in ("", "gone", "../../etc/passwd", "'; --", "\x00"):
        assert _asking(backend, unknown, "second", []) == [
            {"role": "user", "content": render.question_markdown("second")}
        ]


def test_a_question_that_was_stopped_stays_where_it_was_asked(backend: Backend) -> None:
    _, talk = ask(backend, "first")
    exchanges = backend.conversations.get(talk).exchanges
    stopped = Unsaved(1, "stopped", "half")
    before_all = Unsaved(0, "Does __init__ take <path>?", "failed")
    shown = messages(exchanges, [stopped, before_all])
    assert [one["content"] for one in shown if one["role"] == "user"] == [
        # As it was typed: no question is read as Markdown.
        render.question_markdown("Does __init__ take <path>?"),
        render.question_markdown("first"),
        render.question_markdown("stopped"),
    ]
    ask(backend, "stopped", talk=talk)
    exchanges = backend.conversations.get(talk).exchanges
    assert stopped.is_in(exchanges)
    assert not before_all.is_in(exchanges)
    shown = messages(exchanges, [stopped])
    assert [one["content"] for one in shown if one["role"] == "user"] == [
        render.question_markdown("first"),
        render.question_markdown("stopped"),
    ]


@pytest.mark.parametrize("sent", [None, {}, "x", {"value": 7}, {"value": "rd-x-zz"}, {"liked": True}])
def test_a_thumb_without_an_answer_does_nothing(backend: Backend, sent: object) -> None:
    _rate(backend, EventData(None, sent))


def test_a_rating_is_for_the_answer_above_it(backend: Backend) -> None:
    """A document whose text imitates the footer of another answer cannot redirect a rating."""
    _, talk = ask(backend, "first")
    _, talk = ask(backend, "second", talk=talk)
    first, second = (exchange.id for exchange in backend.conversations.get(talk).exchanges)
    message = [f"The text says rd-x-{first} here.", f'<div class="rd-foot rd-x-{second}">']
    for liked, stored in ((True, "up"), ("Dislike", "down"), ([1], None), ("<b>", None)):
        _rate(backend, EventData(None, {"value": message, "liked": liked}))
        thumbs = [exchange.feedback for exchange in backend.conversations.get(talk).exchanges]
        assert thumbs == [None, stored]


def test_a_remembered_answer_can_be_asked_for_afresh(backend: Backend) -> None:
    _, talk = ask(backend, "first")
    _, talk = ask(backend, "second", talk=talk)
    assert (asked(backend).fresh, len(asked(backend).history)) == (False, 1)
    exchange = backend.conversations.get(talk).exchanges[1]
    ask(backend, "second", talk=talk, afresh=exchange.id)
    # Its history is what came before its first answer, without that answer.
    assert (asked(backend).fresh, len(asked(backend).history)) == (True, 1)
    again = f'<button class="rd-again" value="{exchange.id}"'
    remembered = ANSWER.model_copy(update={"cached": True})
    assert again in render.answer_markdown(remembered, "second", exchange.id)
    assert again not in render.answer_markdown(ANSWER, "second", exchange.id)


def test_a_full_queue_is_reported_and_counted(backend: Backend) -> None:
    fill(backend)
    before = _figures()["ragdock_questions_turned_away_total"]
    said, _ = ask(backend, "x")
    assert "questions are waiting already" in said[-1]
    assert _figures()["ragdock_questions_turned_away_total"] == before + 1


def fill(backend: Backend) -> None:
    """Fill the queue with questions."""
    for _ in range(backend.settings.ask_slots + backend.settings.ask_waiting):
        backend.routes.here.enter()


def quoted(shown: str) -> bool:
    """Whether the quote is shown as text, with its location."""
    return all(one in shown for one in ("Oil it in &lt;spring&gt;.", "<b>pump.md</b>, page 3", "rd-open"))


def test_the_model_waits_for_the_searches_of_others(
    backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model takes every processor, and would delay the quotes that others wait for."""
    monkeypatch.setattr("rag_app.backend._SEARCHES_FIRST_SECONDS", SOON)

    async def story() -> tuple[list[str], list[str]]:
        shown: list[str] = []

        async def ask() -> None:
            async for one, _ in answering(backend, "x", "", CHOSEN):
                shown.append(one)

        with backend.searches.one():
            asking = asyncio.create_task(ask())
            async with asyncio.timeout(SOON):
                while not any(quoted(one) for one in shown):
                    await asyncio.sleep(0.01)
            await asyncio.sleep(0.1)
            before = list(shown)
        await asking
        return before, shown

    before, shown = asyncio.run(story())
    assert quoted(before[-1])
    assert len(shown) > len(before)


def test_what_the_documents_say_is_shown_while_others_are_answered(backend: Backend) -> None:
    """The queue is for the model only: a search does not wait in it."""

    async def story() -> list[str]:
        before = backend.routes.here.enter()
        shown: list[str] = []

        async def ask() -> None:
            async for one, _ in answering(backend, "x", "", CHOSEN):
                shown.append(one)

        asking = asyncio.create_task(ask())
        async with asyncio.timeout(SOON):
            while not any("1 question before yours" in one for one in shown):
                await asyncio.sleep(0.01)
        backend.routes.here.leave(before, 1.0)
        await asking
        return shown

    searching, found, waiting, turn, reading, answer = asyncio.run(story())
    assert not quoted(searching)
    assert all(quoted(shown) for shown in (found, waiting, turn, reading))
    assert "Reading 1 passage, about 4 s…" in reading
    # The final answer shows them among its sources instead.
    assert not quoted(answer)


def test_no_time_is_promised_before_the_rate_of_the_model_is_known(backend: Backend) -> None:
    said, _ = ask(backend, "first")
    assert any("Reading 1 passage…" in shown for shown in said)


def test_what_the_documents_say_stays_when_the_queue_is_full(backend: Backend) -> None:
    fill(backend)
    said, _ = ask(backend, "x")
    assert quoted(said[-1])
    assert "questions are waiting already" in said[-1]


def test_an_answer_that_needs_no_model_does_not_wait_for_one(backend: Backend) -> None:
    fill(backend)
    said, _ = ask(backend, "known")
    assert "In spring" in said[-1]
