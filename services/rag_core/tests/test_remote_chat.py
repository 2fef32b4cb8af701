"""A remote chat model behaves like a local one."""

from __future__ import annotations

import threading
import time
from contextvars import copy_context
from typing import Any

import pytest

from rag_core.answering import cancellation
from rag_core.answering.chat import CUT_BY_LENGTH, Chat
from rag_core.errors import (
    InputTooLong,
    RagError,
)
from rag_core.ledger.remote_tokens import ANSWER, PROMPT, RemoteTokens

from .openai_server import Handler, OpenAi
from .remote_chats import MESSAGES, NAME, MakeChat, silent_after_words, written
from .remote_chats import chat as chat
from .remote_chats import make_chat as make_chat
from .remote_chats import openai as openai

READ_SECONDS, THOUGHT_SECONDS = 0.3, 2.0


@pytest.mark.parametrize("thinks", [False, True], ids=["writes", "thinks first"])
def test_how_long_the_model_reads_is_measured_until_its_first_word_or_thought(
    thinks: bool, chat: Chat, openai: OpenAi
) -> None:
    """No server reports this time; later prompts are sized to what the model reads in time.

    Some servers begin at once with a piece that has a field for thoughts, but none in it.
    """

    def slow(handler: Handler, _asked: dict[str, Any]) -> None:
        handler.begin()
        handler.delta(role="assistant", content="", reasoning_content=None)
        time.sleep(READ_SECONDS)
        if thinks:
            handler.delta(role="assistant", reasoning_content="Hm.")
            time.sleep(THOUGHT_SECONDS)
        handler.piece("High.")
        handler.piece("", "stop")
        usage = {"prompt_tokens": 200, "completion_tokens": 3, "total_tokens": 203}
        cached = {"prompt_tokens_details": {"cached_tokens": 50}}
        handler.event({"id": "c", "choices": [], "usage": usage | cached})
        handler.end()

    openai.reply = slow
    text, ending = written(chat)
    assert (text, ending.prompt_tokens, ending.read_tokens) == ("High.", 200, 150)
    assert READ_SECONDS <= ending.read_seconds < THOUGHT_SECONDS


def test_an_answer_comes_in_pieces_with_the_tokens_that_the_server_counted(
    chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    text, ending = written(chat)
    assert (text, ending.cut) == ("High.", None)
    assert (ending.prompt_tokens, ending.read_tokens, ending.answer_tokens) == (20, 20, 3)
    assert openai.paths == ["/big-1/chat/completions"]
    [asked] = openai.asked
    assert (asked["model"], asked["messages"], asked["stream"]) == ("gpt-big", MESSAGES, True)
    assert (asked["stream_options"], asked["max_tokens"]) == ({"include_usage": True}, 64)
    assert tokens.totals() == {(NAME, PROMPT): 20, (NAME, ANSWER): 3}
    assert tokens.today() == {NAME: 23}
    assert chat.miscounts == {}


def test_no_key_and_nothing_of_this_machine_is_sent(chat: Chat, openai: OpenAi) -> None:
    written(chat)
    [headers] = openai.headers
    assert "authorization" not in headers
    assert not [name for name in headers if name.startswith("x-stainless")]


def test_a_model_in_ollama_is_asked_there(chat: Chat, openai: OpenAi) -> None:
    with pytest.raises(RagError, match="Ollama does not answer"):
        list(chat.stream("small", MESSAGES))
    assert openai.asked == []


def test_an_answer_at_its_limit_is_cut_by_length(chat: Chat, openai: OpenAi) -> None:
    openai.reply = lambda handler, asked: handler.answer(["High"], finish="length")
    assert written(chat)[1].cut == CUT_BY_LENGTH


def test_half_a_character_is_replaced_and_the_rest_of_the_answer_is_kept(
    chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    openai.reply = lambda handler, asked: handler.answer(["High \ud800", "up."], read=None)
    assert written(chat)[0] == "High ?up."
    assert tokens.totals()[NAME, ANSWER] > 1


def test_of_a_piece_in_parts_only_the_text_is_the_answer(chat: Chat, openai: OpenAi) -> None:
    """Models of Mistral that think send their answers so."""

    def parted(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}
        for part in (thought, {"type": "text", "text": "High."}):
            handler.delta(content=[part])
        handler.piece("", "stop")
        handler.end()

    openai.reply = parted
    assert written(chat)[0] == "High."


@pytest.mark.parametrize("after_words", [False, True])
def test_a_stop_ends_the_request_at_once_and_pays_for_it(
    chat: Chat, openai: OpenAi, tokens: RemoteTokens, after_words: bool
) -> None:
    openai.reply = silent_after_words if after_words else lambda handler, asked: handler.silence()
    stop = cancellation.Stop()
    raised: list[BaseException] = []

    def asking() -> None:
        cancellation.STOP.set(stop)
        try:
            written(chat)
        except BaseException as error:  # noqa: BLE001 - looked at below
            raised.append(error)

    thread = threading.Thread(target=copy_context().run, args=(asking,))
    thread.start()
    until = time.monotonic() + 5
    while not openai.asked and time.monotonic() < until:
        time.sleep(0.01)
    time.sleep(0.05)
    stop.now()
    thread.join(3)
    assert not thread.is_alive()
    assert [type(error) for error in raised] == [cancellation.Stopped]
    assert openai.gone.wait(3), "the server hears that nobody listens"
    # The server has the whole prompt, and may charge for it.
    assert tokens.totals()[NAME, PROMPT] > 0


def test_who_stops_reading_ends_the_request_and_pays_for_it(
    chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    def endless(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        handler.piece("The lamp ")
        handler.drip(": still there\n\n")

    openai.reply = endless
    stream = chat.stream(NAME, MESSAGES)
    assert next(stream) == "The lamp "
    stream.close()
    assert openai.gone.wait(3)
    assert {kind for _, kind in tokens.totals()} == {PROMPT, ANSWER}


def test_prompt_over_the_models_own_window_is_not_sent(make_chat: MakeChat, openai: OpenAi) -> None:
    with pytest.raises(InputTooLong, match="over the 16"):
        written(make_chat(window=80))
    assert openai.asked == []
