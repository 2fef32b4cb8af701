"""Every fault of a remote chat model is reported, and nothing that was sent is repeated."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
import structlog

from rag_core.errors import (
    InputTooLong,
    RagError,
    RemoteBusy,
    RemoteDenied,
    RemoteMissing,
    RemoteRefused,
    RemoteUnavailable,
)
from rag_core.ledger.remote_tokens import PROMPT, RemoteTokens
from rag_core.remote.client import RemoteTooSlow

from .openai_server import Handler, OpenAi
from .remote_chats import HOST, NAME, SECRET, MakeChat, Reply, refusing, silent_after_words, written
from .remote_chats import chat as chat
from .remote_chats import make_chat as make_chat
from .remote_chats import openai as openai


def in_stream(*parts: str, error: dict[str, Any] | None = None) -> Reply:
    def reply(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        handler.piece("The lamp ")
        if error is not None:
            handler.event({"error": error})
        for part in parts:
            handler.raw(part)
        handler.cut()

    return reply


def broken_refusal(handler: Handler, asked: dict[str, Any]) -> None:
    handler.send_response(500)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"error": ')
    handler.cut()


def thinking_for_ever(handler: Handler, asked: dict[str, Any]) -> None:
    handler.begin()
    delta = {"role": "assistant", "reasoning_content": "Hm. "}
    chunk = {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    handler.drip(f"data: {json.dumps(chunk)}\n\n")


FAULTS: dict[str, tuple[Reply, type[RagError], str]] = {
    "key refused": (refusing(401), RemoteDenied, "key"),
    "key without the right": (refusing(403), RemoteDenied, "HTTP 403"),
    "account without credit": (refusing(402), RemoteDenied, "account"),
    "billing limit": (refusing(400, code="billing_hard_limit_reached"), RemoteDenied, "account"),
    "unknown model": (refusing(404), RemoteMissing, "gpt-big"),
    "too many requests": (refusing(429), RemoteBusy, "429"),
    "server fault": (refusing(500), RemoteUnavailable, "failed"),
    "overloaded": (refusing(503), RemoteUnavailable, "HTTP 503"),
    "nobody behind the proxy": (refusing(502), RemoteUnavailable, "does not answer"),
    "refused": (refusing(400), RemoteRefused, "HTTP 400"),
    "elsewhere": (refusing(302), RemoteUnavailable, "HTTP 302"),
    "too long by code": (refusing(400, code="context_length_exceeded"), InputTooLong, "window"),
    "too long by words": (refusing(400, "This model's maximum context length is 10"), InputTooLong, "window"),
    "too long for Bedrock": (refusing(400, "Input is too long: prompt is too long"), InputTooLong, "window"),
    "too large for the proxy": (refusing(413), InputTooLong, "window"),
    "cut in the middle": (in_stream(), RemoteUnavailable, "broke"),
    "cut within an event": (in_stream('data: {"choices": [{"del'), RemoteUnavailable, "broke"),
    "ended without an end": (in_stream("data: [DONE]\n\n"), RemoteUnavailable, "in the middle"),
    "error in the stream": (in_stream(error={"message": SECRET}), RemoteUnavailable, "error of its own"),
    "no JSON in the stream": (in_stream(f"data: {SECRET}\n\n"), RemoteUnavailable, "another way"),
    "another protocol": (lambda handler, asked: handler.whole(200, SECRET), RemoteUnavailable, HOST),
    "content filter": (
        lambda handler, asked: handler.answer(["The"], finish="content_filter"),
        RemoteRefused,
        "content filter",
    ),
    "nested too deep": (in_stream(f"data: {'[' * 100_000}\n\n"), RemoteUnavailable, "another way"),
    "broken off within a refusal": (broken_refusal, RemoteUnavailable, "broke off"),
    "nothing written": (lambda handler, asked: handler.answer([""]), RemoteUnavailable, "empty answer"),
    "blanks alone": (lambda handler, asked: handler.answer([" \n"]), RemoteUnavailable, "empty answer"),
    "all tokens spent on thoughts": (
        lambda handler, asked: handler.answer([], finish="length"),
        RemoteUnavailable,
        "used up before the first word",
    ),
    "silence with thoughts": (thinking_for_ever, RemoteTooSlow, "too slow"),
    "silence": (lambda handler, asked: handler.silence(), RemoteTooSlow, "too slow"),
    "silence after words": (silent_after_words, RemoteTooSlow, "too slow"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_every_fault_is_an_error_of_our_own_that_repeats_nothing_of_what_was_sent(
    name: str, make_chat: MakeChat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    openai.reply, kind, words = FAULTS[name]
    with structlog.testing.capture_logs() as logs, pytest.raises(RagError, match=words) as caught:
        written(make_chat(timeout=0.3 if name.startswith("silence") else 5))
    assert type(caught.value) is kind
    assert SECRET not in f"{caught.value.message} {logs}"
    assert HOST in caught.value.message or NAME in caught.value.message
    assert len(openai.asked) == 1, "the next model is asked, not the same one again"
    assert "reserved" not in str(tokens.totals())


def test_a_proxy_that_does_not_answer_is_reported_as_that(make_chat: MakeChat, tokens: RemoteTokens) -> None:
    with pytest.raises(RemoteUnavailable, match="the proxy to remote models does not answer"):
        written(make_chat(address="http://127.0.0.1:9"))
    assert tokens.today() == {}, "what reached nobody costs nothing"


def test_signs_of_life_are_no_answer(make_chat: MakeChat, openai: OpenAi) -> None:
    def alive(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        handler.drip(": still there\n\n")

    openai.reply = alive
    began = time.monotonic()
    with pytest.raises(RemoteTooSlow):
        written(make_chat(timeout=0.4))
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("after", ["", "data: no JSON\n\n", "keepalives"])
def test_a_fault_behind_the_end_of_an_answer_loses_nothing_of_it(
    after: str, make_chat: MakeChat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    def reply(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        handler.piece("High.", "stop")
        if after == "keepalives":
            handler.drip(": still there\n\n")
        elif after:
            handler.raw(after)
        handler.cut()

    openai.reply = reply
    text, ending = written(make_chat(timeout=0.5))
    assert (text, ending.cut) == ("High.", None)
    assert tokens.totals()[NAME, PROMPT] > 15, "by estimate"
