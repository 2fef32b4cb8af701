"""Tokens that remote models have read and written, by day (UTC), and their daily limits.

The table is in the ledger's file (see rag_core.ledger.store for why). The most that a request may cost is
reserved before it is sent, in one transaction, so that two requests cannot use the same remainder; afterwards
the real cost replaces it. What a process had reserved when it died stays reserved until midnight.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime

from rag_core.errors import BudgetUsed
from rag_core.ledger.store import Store
from rag_core.remote.model import RemoteModel

PROMPT, ANSWER, EMBED = "prompt", "answer", "embed"
_RESERVED = "reserved"

Spent = Counter[str]
"""Tokens by kind."""


class RemoteTokens(Store):
    """The count of all remote models; safe to share between threads and processes."""

    tables = """
    CREATE TABLE IF NOT EXISTS remote_tokens (
        day TEXT NOT NULL, model TEXT NOT NULL, kind TEXT NOT NULL, tokens INTEGER NOT NULL,
        PRIMARY KEY (day, model, kind));
    """

    @contextmanager
    def allowed(self, model: RemoteModel, most: int) -> Iterator[Spent]:
        """Allow a request of at most `most` tokens; what is counted in the yielded counter is spent.

        Raises BudgetUsed if fewer are left today for the model.
        """
        day = self._today()
        self._reserve(day, model, most)
        spent = Spent()
        try:
            yield spent
        finally:
            self._settle(day, model.name, most, spent)

    def today(self) -> dict[str, int]:
        """Return each model's tokens since midnight, including those reserved for requests in flight."""
        rows = self._read(
            "SELECT model, sum(tokens) AS tokens FROM remote_tokens WHERE day = ? GROUP BY model",
            (self._today(),),
        )
        return {row["model"]: int(row["tokens"]) for row in rows}

    def totals(self) -> dict[tuple[str, str], int]:
        """Return the tokens of each model and kind since the deployment began."""
        rows = self._read(
            "SELECT model, kind, sum(tokens) AS tokens FROM remote_tokens WHERE kind != ?"
            " GROUP BY model, kind ORDER BY model, kind",
            (_RESERVED,),
        )
        return {(row["model"], row["kind"]): int(row["tokens"]) for row in rows}

    def _today(self) -> str:
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    def _reserve(self, day: str, model: RemoteModel, most: int) -> None:
        with self._write() as db:
            used = db.execute(
                "SELECT coalesce(sum(tokens), 0) FROM remote_tokens WHERE day = ? AND model = ?",
                (day, model.name),
            ).fetchone()[0]
            if model.tokens_per_day and used + most > model.tokens_per_day:
                raise BudgetUsed(
                    f"{model.name!r} has used or reserved {used:,} of its {model.tokens_per_day:,} tokens for"
                    f" today, too few are left for a request of up to {most:,}; it is asked again from 00:00"
                    " UTC, or when tokens_per_day in ragdock_models is raised",
                    most=most,
                    tokens_per_day=model.tokens_per_day,
                )
            self._add(db, day, model.name, {_RESERVED: most})

    def _settle(self, day: str, model: str, most: int, spent: Mapping[str, int]) -> None:
        with self._write() as db:
            self._add(db, day, model, {**spent, _RESERVED: -most})
            db.execute(
                "DELETE FROM remote_tokens WHERE day = ? AND model = ? AND kind = ? AND tokens <= 0",
                (day, model, _RESERVED),
            )

    @staticmethod
    def _add(db: sqlite3.Connection, day: str, model: str, tokens: Mapping[str, int]) -> None:
        for kind, number in tokens.items():
            db.execute(
                "INSERT INTO remote_tokens VALUES (?, ?, ?, ?) ON CONFLICT (day, model, kind)"
                " DO UPDATE SET tokens = tokens + excluded.tokens",
                (day, model, kind, number),
            )
