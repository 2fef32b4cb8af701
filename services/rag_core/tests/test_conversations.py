"""Conversations outlive the process, and the figures are correct."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rag_core.ledger import Ledger
from rag_core.ledger.conversations import ConversationNotFound, Conversations
from rag_core.models import Answer, Citation, SentenceSupport, Timings

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp()
DAY = 86_400.0


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def conversations(tmp_path: Path, clock: Clock) -> Conversations:
    return Conversations(tmp_path / "new" / "conversations.sqlite3", clock=clock)


def answer(seconds: float = 2.0, *, cited: bool = True, **more: object) -> Answer:
    citation = Citation(number=1, document_id="x", document="a.pdf", page_start=1, page_end=1, passage="So.")
    sentences = (SentenceSupport(text="So.", citations=(1,) if cited else ()),)
    given = {"answer": "So. [1]", "citations": (citation,) if cited else (), "model": "m", **more}
    given = {"sentences": sentences if given["model"] else (), **given}
    return Answer.model_validate({**given, "timings": Timings(total=seconds)})


def test_conversation_is_there_after_a_restart(conversations: Conversations, tmp_path: Path) -> None:
    talk = conversations.start("How?")
    text = conversations.add(talk.id, "How?", answer())
    conversations.rate(text.id, "up")
    conversations.close()
    [kept] = Conversations(tmp_path / "new" / "conversations.sqlite3").get(talk.id).exchanges
    assert (kept.question, kept.answer, kept.feedback) == ("How?", answer(), "up")


def test_list_begins_with_what_was_spoken_of_last(conversations: Conversations, clock: Clock) -> None:
    first, second = conversations.start("First"), conversations.start("Second")
    clock.now += 10
    conversations.add(first.id, "More of the WHALE?", answer())
    assert [(one.title, one.questions) for one in conversations.list()] == [("First", 1), ("Second", 0)]
    assert [one.id for one in conversations.list(search="whale")] == [first.id]
    assert [one.id for one in conversations.list(search="SECOND")] == [second.id]


def test_long_question_makes_a_short_title(conversations: Conversations) -> None:
    talk = conversations.start("word \n" * 100)
    assert len(talk.title) <= 82
    assert talk.title.endswith("word …")


def test_long_question_without_blanks_makes_a_title_that_says_something(conversations: Conversations) -> None:
    talk = conversations.start("第3章 " + "灯台の灯火" * 30)
    assert len(talk.title) == 82


def test_deleted_conversation_is_gone_with_its_answers(conversations: Conversations) -> None:
    talk = conversations.start("How?")
    message = conversations.add(talk.id, "How?", answer())
    conversations.delete(talk.id)
    conversations.delete(talk.id)
    for attempt in (
        lambda: conversations.get(talk.id),
        lambda: conversations.add(talk.id, "And?", answer()),
        lambda: conversations.rate(message.id, "up"),
    ):
        with pytest.raises(ConversationNotFound):
            attempt()
    assert conversations.days(1)[0].questions == 0


def test_days_count_what_happened_and_nothing_else(conversations: Conversations, clock: Clock) -> None:
    talk = conversations.start("How?")
    clock.now = NOON - 2 * DAY
    conversations.add(talk.id, "Old", answer(1.0))
    clock.now = NOON
    ids = [conversations.add(talk.id, f"{n}", answer(float(n))).id for n in range(1, 21)]
    conversations.add(
        talk.id, "Not held", answer(21.0, cited=False, model=None, reason="no_relevant_passage")
    )
    conversations.add(talk.id, "No model", answer(22.0, model=None, degraded=True, reason="no_model"))
    conversations.rate(ids[0], "up")
    conversations.rate(ids[1], "down")
    conversations.rate(ids[2], "up")
    conversations.rate(ids[2], None)
    before, between, today = conversations.days(3)
    assert (before.questions, before.seconds_p50) == (1, 1.0)
    assert (between.questions, between.seconds_p50) == (0, None)
    assert (today.questions, today.written, today.refused, today.degraded) == (22, 20, 1, 1)
    assert today.supported == 20
    assert (today.seconds_p50, today.seconds_p95) == (11.0, 21.0)
    assert (today.up, today.down) == (1, 1)
    assert len(conversations.days(2)) == 2


def test_only_a_models_answer_with_a_source_for_every_sentence_counts_as_supported(
    conversations: Conversations,
) -> None:
    held, doubted = SentenceSupport(text="So.", citations=(1,)), SentenceSupport(text="Or not.")
    talk = conversations.start("How?")
    for one in (
        answer(sentences=(held, held)),
        answer(sentences=(held, doubted)),
        answer(sentences=(doubted,), cited=False),
        answer(sentences=()),
        answer(model=None, degraded=True, reason="no_model"),
        answer(sentences=(held,), degraded=True, reason="fallback_model"),
    ):
        conversations.add(talk.id, "How?", one)
    [today] = conversations.days(1)
    assert (today.questions, today.written, today.supported) == (6, 5, 2)


def test_conversations_share_the_ledgers_file(tmp_path: Path) -> None:
    """One online copy of that file backs up both."""
    path = tmp_path / "ledger.sqlite3"
    talk = Conversations(path).start("How?")
    ledger = Ledger(path)
    assert sum(ledger.counts().values()) == 0
    ledger.close()
    assert Conversations(path).get(talk.id).title == "How?"


@pytest.mark.parametrize("where", ["$.of_tomorrow", "$.timings.of_tomorrow"])
def test_answer_of_another_release_is_still_shown(conversations: Conversations, where: str) -> None:
    talk = conversations.start("How?")
    conversations.add(talk.id, "How?", answer())
    with conversations._write() as db:
        db.execute("UPDATE exchanges SET answer = json_set(answer, ?, 1)", (where,))
    assert conversations.get(talk.id).exchanges[0].answer.answer == "So. [1]"
