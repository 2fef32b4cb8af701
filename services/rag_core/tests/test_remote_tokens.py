"""Tokens of remote models are counted per day in the ledger's file; requests reserve their share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from rag_core.errors import BudgetUsed
from rag_core.ledger import Ledger, restoring
from rag_core.ledger.remote_tokens import ANSWER, PROMPT, RemoteTokens
from rag_core.remote.model import RemoteModel

BIG = RemoteModel(name="big", slug="big", model="gpt", host="models.example.org", tokens_per_day=100)
FREE = BIG.model_copy(update={"name": "free", "tokens_per_day": 0})
DAY = 86_400


@pytest.fixture
def tokens(tmp_path: Path, clock: Any) -> Iterator[RemoteTokens]:
    one = RemoteTokens(tmp_path / "ledger.sqlite3", clock=clock)
    yield one
    one.close()


def spend(tokens: RemoteTokens, model: RemoteModel, prompt: int, answer: int, *, most: int = 0) -> None:
    with tokens.allowed(model, most or prompt + answer) as spent:
        spent[PROMPT] += prompt
        spent[ANSWER] += answer


def test_tokens_outlast_the_process(tokens: RemoteTokens, tmp_path: Path, clock: Any) -> None:
    spend(tokens, BIG, 40, 10)
    spend(tokens, BIG, 20, 5)
    again = RemoteTokens(tmp_path / "ledger.sqlite3", clock=clock)
    assert again.today() == {"big": 75}
    assert again.totals() == {("big", PROMPT): 60, ("big", ANSWER): 15}
    again.close()


def test_a_day_ends_at_midnight_utc(tokens: RemoteTokens, clock: Any) -> None:
    clock.now = 20 * DAY - 1.0
    spend(tokens, BIG, 90, 10)
    with pytest.raises(BudgetUsed):
        spend(tokens, BIG, 1, 0)
    clock.now += 1
    assert tokens.today() == {}
    spend(tokens, BIG, 1, 0)
    assert tokens.totals() == {("big", PROMPT): 91, ("big", ANSWER): 10}


def test_what_a_request_may_cost_is_reserved_while_it_runs(tokens: RemoteTokens) -> None:
    with tokens.allowed(BIG, 60) as spent:
        with pytest.raises(BudgetUsed, match="60 of its 100"):
            spend(tokens, BIG, 50, 0)
        spend(tokens, FREE, 5000, 5000)
        spent[PROMPT] += 30
    assert tokens.today()["big"] == 30
    spend(tokens, BIG, 70, 0)


def test_a_request_that_fails_before_it_is_sent_costs_nothing(tokens: RemoteTokens) -> None:
    with pytest.raises(ZeroDivisionError), tokens.allowed(BIG, 60):
        raise ZeroDivisionError
    assert tokens.today() == {}


def test_a_killed_process_leaves_its_reserve_spent_until_midnight(tokens: RemoteTokens, clock: Any) -> None:
    killed = tokens.allowed(BIG, 60)
    killed.__enter__()
    assert tokens.today() == {"big": 60}
    assert tokens.totals() == {}
    clock.now += DAY
    assert tokens.today() == {}


def test_without_a_limit_everything_is_allowed(tokens: RemoteTokens) -> None:
    spend(tokens, FREE, 10**9, 0)
    spend(tokens, FREE, 10**9, 0)
    assert tokens.today() == {"free": 2 * 10**9}


def test_no_restore_gives_back_what_was_spent(tmp_path: Path, clock: Any) -> None:
    for name, prompt in (("live", 90), ("other", 10)):
        ledger = Ledger(tmp_path / name, clock=clock)
        ledger.counts()
        ledger.close()
        tokens = RemoteTokens(tmp_path / name, clock=clock)
        spend(tokens, BIG, prompt, 0)
        if name == "other":
            spend(tokens, FREE, 7, 0)
        tokens.close()
    restoring.replace(tmp_path / "live", tmp_path / "other", 0.0)
    kept = RemoteTokens(tmp_path / "live", clock=clock)
    assert kept.today() == {"big": 90, "free": 7}
    kept.close()
