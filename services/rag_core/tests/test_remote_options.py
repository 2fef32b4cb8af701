"""An option that a remote chat model refuses is left out, and only that."""

from __future__ import annotations

from typing import Any

import pytest

from rag_core.answering.chat import Chat
from rag_core.errors import (
    RagError,
    RemoteRefused,
)
from rag_core.ledger.remote_tokens import PROMPT, RemoteTokens

from .openai_server import Handler, OpenAi
from .remote_chats import NAME, refusing, written
from .remote_chats import chat as chat
from .remote_chats import make_chat as make_chat
from .remote_chats import openai as openai


def test_options_that_a_model_does_not_know_are_left_out_from_then_on(chat: Chat, openai: OpenAi) -> None:
    def newer(handler: Handler, asked: dict[str, Any]) -> None:
        if "max_tokens" in asked:
            handler.refuse(400, "use the newer", code="unsupported_parameter", param="max_tokens")
        elif "temperature" in asked:
            handler.refuse(400, "only 1", code="unsupported_value", param="temperature")
        else:
            handler.answer(["High."])

    openai.reply = newer
    assert [written(chat)[0], written(chat)[0]] == ["High.", "High."]
    assert len(openai.asked) == 4
    assert openai.asked[-1]["max_completion_tokens"] == 64


def detail(*place: str) -> dict[str, Any]:
    """A refusal of an unknown field, as FastAPI words it."""
    return {
        "detail": [{"type": "extra_forbidden", "loc": list(place), "msg": "Extra inputs are not permitted"}]
    }


REFUSALS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "LiteLLM": (
        "temperature",
        400,
        {
            "error": {
                "message": "litellm.UnsupportedParamsError: gpt-5 models don't support temperature=0.1. Only"
                " temperature=1 is supported. To drop unsupported params set litellm.drop_params=True",
                "type": None,
                "param": None,
                "code": "400",
            }
        },
    ),
    "an old server": (
        "stream_options",
        400,
        {"error": {"message": "Unrecognized request argument supplied: stream_options", "param": None}},
    ),
    "FastAPI": ("stream_options", 422, detail("body", "stream_options")),
    "Mistral": ("stream_options", 422, {"object": "error", "message": detail("body", "stream_options")}),
    "names nothing": ("stream_options", 400, {"error": {"message": "Extra inputs are not permitted"}}),
    "names nothing, means the next": ("temperature", 400, {"error": "Unknown parameter"}),
    "by the field alone": (
        "temperature",
        400,
        {"error": {"message": "invalid value", "code": "invalid_value", "param": "temperature"}},
    ),
    "Bedrock": ("max_tokens", 400, {"message": "Unsupported: max_tokens, use max_completion_tokens."}),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_an_option_that_is_refused_in_other_words_is_left_out_too(
    name: str, chat: Chat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    option, status, body = REFUSALS[name]

    def picky(handler: Handler, asked: dict[str, Any]) -> None:
        if option in asked:
            handler.whole(status, body)
        else:
            handler.answer(["High."], read=20 if "stream_options" in asked else None)

    openai.reply = picky
    assert [written(chat)[0], written(chat)[0]] == ["High.", "High."]
    assert option not in openai.asked[-1]
    assert option in openai.asked[0]
    assert len([asked for asked in openai.asked if option in asked]) <= 2, "it is remembered"
    assert tokens.totals()[NAME, PROMPT] >= 40


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {"error": {"message": "no", "param": "messages", "code": "unknown_parameter"}}),
        (400, {"error": {"message": "This model's maximum context length is 9; reduce max_tokens"}}),
        (400, {"detail": [{"msg": "Field required", "input": {"temperature": 0.1}}]}),
        (500, {"error": {"message": "temperature of the GPU is too high"}}),
    ],
)
def test_a_refusal_for_another_reason_is_not_tried_again(
    status: int, body: dict[str, Any], chat: Chat, openai: OpenAi
) -> None:
    openai.reply = lambda handler, asked: handler.whole(status, body)
    with pytest.raises(RagError):
        written(chat)
    assert len(openai.asked) == 1


def test_an_option_is_only_left_out_for_good_when_that_helped(chat: Chat, openai: OpenAi) -> None:
    openai.reply = refusing(400, "this is about the temperature of the lamp")
    with pytest.raises(RemoteRefused):
        written(chat)
    openai.reply = lambda handler, asked: handler.answer(["High."])
    written(chat)
    assert openai.asked[-1]["temperature"] == 0.1
