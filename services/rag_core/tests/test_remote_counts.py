"""Tokens of a remote chat model are counted, whatever its server reports."""

from __future__ import annotations

from typing import Any

import pytest
import structlog

from rag_core.answering.chat import CUT_BY_TIME, Chat
from rag_core.errors import (
    BudgetUsed,
    InputTooLong,
    RemoteBusy,
)
from rag_core.ledger.remote_tokens import ANSWER, PROMPT, RemoteTokens

from .openai_server import Handler, OpenAi
from .remote_chats import MESSAGES, NAME, SECRET, MakeChat, refusing, written
from .remote_chats import chat as chat
from .remote_chats import make_chat as make_chat
from .remote_chats import openai as openai


def test_a_request_that_is_refused_costs_nothing(chat: Chat, openai: OpenAi, tokens: RemoteTokens) -> None:
    openai.reply = refusing(429)
    with pytest.raises(RemoteBusy):
        written(chat)
    assert tokens.today() == {}


def test_an_answer_that_takes_too_long_is_cut_and_counted(
    make_chat: MakeChat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    def slow(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        handler.piece("The lamp ")
        handler.drip(": still there\n\n")

    openai.reply = slow
    text, ending = written(make_chat(), timeout=2)
    assert (text, ending.cut) == ("The lamp ", CUT_BY_TIME)
    spent = tokens.totals()
    assert spent[NAME, PROMPT] >= len(MESSAGES[0]["content"].split())
    assert spent[NAME, ANSWER] >= 2, "whoever stops an answer pays for what was written"


def test_a_server_that_counts_nothing_is_counted_by_estimate(
    chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    openai.reply = lambda handler, asked: handler.answer(["High."], read=None)
    ending = written(chat)[1]
    assert (ending.prompt_tokens, ending.answer_tokens, ending.read_tokens) == (0, 0, 0)
    assert tokens.totals()[NAME, PROMPT] >= len(MESSAGES[0]["content"].split())
    assert chat.miscounts == {}


ODD_USAGE = {
    "empty": {},
    "null": {"prompt_tokens": None, "completion_tokens": None, "total_tokens": None},
    "one missing": {"completion_tokens": 3},
    "no object": "x",
    "a list": [20, 3],
    "over what the ledger holds": {"prompt_tokens": 10**20, "completion_tokens": 10**20},
    "negative": {"prompt_tokens": -20, "completion_tokens": -3},
    "zero": {"prompt_tokens": 0, "completion_tokens": 0},
    "a fraction": {"prompt_tokens": 20.5, "completion_tokens": 3.5},
    "no finite number": {"prompt_tokens": float("inf"), "completion_tokens": float("nan")},
    "words": {"prompt_tokens": "twenty", "completion_tokens": "three"},
    "one token": {"prompt_tokens": 1, "completion_tokens": 1},
    "odd details": {"prompt_tokens": None, "prompt_tokens_details": "x"},
}


@pytest.mark.parametrize("name", ODD_USAGE)
def test_an_answer_outlasts_whatever_the_server_counts_and_is_never_free(
    name: str, chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    openai.reply = lambda handler, asked: handler.answer(["It is high."], usage=ODD_USAGE[name])
    text, ending = written(chat)
    assert text == "It is high."
    assert ending.read_tokens >= 0
    spent = tokens.totals()
    assert len(MESSAGES[0]["content"].split()) <= spent[NAME, PROMPT] < 1000
    assert 3 <= spent[NAME, ANSWER] < 100


def test_counts_that_come_with_every_piece_are_those_of_the_whole_answer(
    chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    def running(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        for count in (1, 2, 3):
            choice = {
                "index": 0,
                "delta": {"content": "high "},
                "finish_reason": "stop" if count == 3 else None,
            }
            usage = {"prompt_tokens": 20, "completion_tokens": count, "total_tokens": 20 + count}
            handler.event({"id": "c", "choices": [choice], "usage": usage})
        handler.event({"id": "c", "choices": [], "usage": {}})
        handler.end()

    openai.reply = running
    ending = written(chat)[1]
    assert (ending.prompt_tokens, ending.answer_tokens) == (20, 3)
    assert tokens.totals() == {(NAME, PROMPT): 20, (NAME, ANSWER): 3}


def test_thoughts_that_the_server_does_not_count_are_counted(
    chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    def thinking(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        handler.delta(reasoning_content="well " * 500)
        handler.piece("High.", "stop")
        handler.end()

    openai.reply = thinking
    assert written(chat)[0] == "High."
    assert tokens.totals()[NAME, ANSWER] > 500


@pytest.mark.parametrize(("counted", "how"), [(3, "cut"), (400, "over")])
def test_difference_to_what_was_counted_is_an_error_in_log_and_figures(
    chat: Chat, openai: OpenAi, counted: int, how: str
) -> None:
    openai.reply = lambda handler, asked: handler.answer(["High."], read=counted)
    with structlog.testing.capture_logs() as logs:
        written(chat)
    assert chat.miscounts == {(NAME, how): 1}
    [line] = logs
    assert (line["log_level"], line["how"], line["read"]) == ("error", how, counted)
    assert SECRET not in str(logs)


def test_prompt_that_the_server_refuses_as_too_long_is_counted(chat: Chat, openai: OpenAi) -> None:
    openai.reply = refusing(400, code="context_length_exceeded")
    with pytest.raises(InputTooLong):
        written(chat)
    assert chat.miscounts == {(NAME, "refused"): 1}


def test_a_model_whose_day_is_used_up_is_not_asked(
    make_chat: MakeChat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    chat = make_chat(tokens_per_day=250)
    openai.reply = lambda handler, asked: handler.answer(["High."], read=180, written=20)
    written(chat)
    with pytest.raises(
        BudgetUsed, match=r"'big' has used or reserved 200 of its 250 tokens for today.*00:00 UTC"
    ):
        written(chat)
    assert len(openai.asked) == 1
    assert tokens.today() == {NAME: 200}
