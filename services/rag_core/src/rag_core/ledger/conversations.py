"""Questions with their answers and feedback, and statistics on them.

The tables are in the ledger's file (see rag_core.ledger.store for why).
"""

from __future__ import annotations

import json
import math
import secrets
import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Literal

from pydantic import ValidationError

from rag_core.errors import RagError
from rag_core.ledger.store import Store
from rag_core.models import Answer, Frozen
from rag_core.text import cutting

Feedback = Literal["up", "down"]

_LONGEST_TITLE = 80
_TABLES = """
CREATE TABLE IF NOT EXISTS conversations (
    id TEXT PRIMARY KEY, title TEXT NOT NULL, created_at REAL NOT NULL, updated_at REAL NOT NULL);
CREATE TABLE IF NOT EXISTS exchanges (
    id TEXT PRIMARY KEY,
    conversation_id TEXT NOT NULL REFERENCES conversations (id) ON DELETE CASCADE,
    question TEXT NOT NULL,
    answer TEXT NOT NULL,
    asked_at REAL NOT NULL,
    feedback TEXT);
CREATE INDEX IF NOT EXISTS exchanges_of ON exchanges (conversation_id, asked_at);
CREATE INDEX IF NOT EXISTS exchanges_by_time ON exchanges (asked_at);
"""


class ConversationNotFound(RagError):  # noqa: N818 - named for what happened
    """There is no such conversation or answer, or it was deleted."""

    code = "conversation_not_found"
    http_status = 404


class Exchange(Frozen):
    """One question with its answer; `feedback` is a user's rating."""

    id: str
    conversation_id: str
    question: str
    answer: Answer
    asked_at: datetime
    feedback: Feedback | None = None


class Summary(Frozen):
    """A conversation as shown in a list."""

    id: str
    title: str
    questions: int
    updated_at: datetime


class Conversation(Frozen):
    """A conversation, oldest question first."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    exchanges: tuple[Exchange, ...] = ()


class Day(Frozen):
    """The figures of one day (UTC); seconds are None when nothing was asked."""

    day: date
    questions: int = 0
    written: int = 0  # by a model, the first choice or a fallback
    supported: int = 0  # of these, with a source for every sentence
    refused: int = 0  # the documents hold nothing on the question
    degraded: int = 0
    seconds_p50: float | None = None
    seconds_p95: float | None = None
    up: int = 0
    down: int = 0


class Conversations(Store):
    """All conversations; safe to share between threads and processes."""

    tables = _TABLES

    def start(self, title: str) -> Summary:
        """Start a conversation, named after its first question."""
        identity, now = secrets.token_hex(8), self._clock()
        with self._write() as db:
            db.execute(
                "INSERT INTO conversations VALUES (?, ?, ?, ?)", (identity, shortened(title), now, now)
            )
        return Summary(id=identity, title=shortened(title), questions=0, updated_at=_moment(now))

    def list(self, *, limit: int = 50, search: str | None = None) -> list[Summary]:
        """Return the newest conversations; `search` filters by their questions and titles."""
        where, values = "", list[object]()
        if search:
            where = (
                " WHERE instr(lower(title), lower(?)) OR EXISTS (SELECT 1 FROM exchanges e"
                " WHERE e.conversation_id = c.id AND instr(lower(e.question), lower(?)))"
            )
            values = [search, search]
        rows = self._read(
            "SELECT c.id, c.title, c.updated_at, (SELECT count(*) FROM exchanges e"  # noqa: S608 - constants
            f" WHERE e.conversation_id = c.id) AS questions FROM conversations c{where}"
            " ORDER BY c.updated_at DESC, c.rowid DESC LIMIT ?",
            (*values, limit),
        )
        return [
            Summary(
                id=row["id"],
                title=row["title"],
                questions=row["questions"],
                updated_at=_moment(row["updated_at"]),
            )
            for row in rows
        ]

    def get(self, conversation_id: str) -> Conversation:
        """Return the whole conversation; raises ConversationNotFound."""
        found = self._read("SELECT * FROM conversations WHERE id = ?", (conversation_id,))
        if not found:
            raise ConversationNotFound("this conversation was deleted; start a new one")
        rows = self._read(
            "SELECT * FROM exchanges WHERE conversation_id = ? ORDER BY asked_at, rowid", (conversation_id,)
        )
        return Conversation(
            id=conversation_id,
            title=found[0]["title"],
            created_at=_moment(found[0]["created_at"]),
            updated_at=_moment(found[0]["updated_at"]),
            exchanges=tuple(_exchange(row) for row in rows),
        )

    def add(self, conversation_id: str, question: str, answer: Answer) -> Exchange:
        """Store an answer; raises ConversationNotFound if the conversation was deleted meanwhile."""
        identity, now = secrets.token_hex(8), self._clock()
        with self._write() as db:
            known = db.execute(
                "UPDATE conversations SET updated_at = ? WHERE id = ?", (now, conversation_id)
            ).rowcount
            if not known:
                raise ConversationNotFound("this conversation was deleted; start a new one")
            db.execute(
                "INSERT INTO exchanges VALUES (?, ?, ?, ?, ?, NULL)",
                (identity, conversation_id, question, answer.model_dump_json(), now),
            )
        return Exchange(
            id=identity,
            conversation_id=conversation_id,
            question=question,
            answer=answer,
            asked_at=_moment(now),
        )

    def rate(self, exchange_id: str, feedback: Feedback | None) -> None:
        """Rate an answer, or withdraw the rating (None); raises ConversationNotFound."""
        with self._write() as db:
            if not db.execute(
                "UPDATE exchanges SET feedback = ? WHERE id = ?", (feedback, exchange_id)
            ).rowcount:
                raise ConversationNotFound("this answer was deleted and cannot be rated any more")

    def delete(self, conversation_id: str) -> None:
        """Remove it with its answers; does nothing if it is already gone."""
        with self._write() as db:
            db.execute("DELETE FROM conversations WHERE id = ?", (conversation_id,))

    def days(self, count: int) -> tuple[Day, ...]:
        """Return the last `count` days, oldest first, ending today, including days without questions."""
        today = _moment(self._clock()).date()
        first = today - timedelta(days=count - 1)
        since = datetime(first.year, first.month, first.day, tzinfo=UTC).timestamp()
        by_day: dict[date, list[sqlite3.Row]] = defaultdict(list)
        for row in self._read(
            "SELECT asked_at, feedback, json_extract(answer, '$.timings.total') AS seconds,"
            " json_extract(answer, '$.reason') AS reason, json_extract(answer, '$.degraded') AS degraded,"
            " json_extract(answer, '$.model') AS model,"
            " json_array_length(answer, '$.sentences') AS sentences,"
            " (SELECT count(*) FROM json_each(answer, '$.sentences') WHERE"
            " json_array_length(value, '$.citations') = 0) AS doubtful FROM exchanges WHERE asked_at >= ?",
            (since,),
        ):
            by_day[_moment(row["asked_at"]).date()].append(row)
        return tuple(_day(first + timedelta(days=n), by_day[first + timedelta(days=n)]) for n in range(count))


def shortened(title: str) -> str:
    """Shorten a question to a title: one line, cut at a word."""
    line = " ".join(title.split()) or "Untitled"
    return cutting.shortened(line, _LONGEST_TITLE)


def _exchange(row: sqlite3.Row) -> Exchange:
    return Exchange(
        id=row["id"],
        conversation_id=row["conversation_id"],
        question=row["question"],
        answer=_answer(json.loads(row["answer"])),
        asked_at=_moment(row["asked_at"]),
        feedback=row["feedback"],
    )


def _answer(stored: dict[str, object]) -> Answer:
    """Load an answer, ignoring fields of another release that this one does not know."""
    kept = {name: value for name, value in stored.items() if name in Answer.model_fields}
    try:
        return Answer.model_validate(kept)
    except ValidationError:
        return Answer(answer=str(stored["answer"]))


def _day(day: date, rows: Sequence[sqlite3.Row]) -> Day:
    seconds = sorted(float(row["seconds"]) for row in rows)
    return Day(
        day=day,
        questions=len(rows),
        written=sum(1 for row in rows if row["model"]),
        supported=sum(1 for row in rows if row["model"] and row["sentences"] and not row["doubtful"]),
        refused=sum(1 for row in rows if row["reason"] == "no_relevant_passage"),
        degraded=sum(1 for row in rows if row["degraded"]),
        seconds_p50=_share(seconds, 0.50),
        seconds_p95=_share(seconds, 0.95),
        up=sum(1 for row in rows if row["feedback"] == "up"),
        down=sum(1 for row in rows if row["feedback"] == "down"),
    )


def _share(ordered: Sequence[float], share: float) -> float | None:
    """The nearest-rank percentile."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else None


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
