"""A remote chat model behaves like a local one; every fault is reported, and its tokens are counted."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import copy_context
from typing import Any

import pytest
import structlog

from rag_core.answering import cancellation
from rag_core.answering.chat import CUT_BY_LENGTH, CUT_BY_TIME, Chat, Ending
from rag_core.answering.miscounts import Miscounts
from rag_core.answering.threads import Threads
from rag_core.errors import (
    BudgetUsed,
    InputTooLong,
    ModelMissing,
    RagError,
    RemoteBusy,
    RemoteDenied,
    RemoteRefused,
    RemoteUnavailable,
)
from rag_core.ledger.remote_tokens import ANSWER, PROMPT, RemoteTokens
from rag_core.remote.chat import RemoteChat
from rag_core.remote.client import RemoteTooSlow
from rag_core.remote.model import RemoteModel
from services.rag_core.tests.openai_server import Handler, OpenAi, serving

NAME = "big"
HOST = "models.example.org"
SECRET = "the treasure is under the lighthouse"
MESSAGES = [{"role": "user", "content": f"How high does the lamp stand above the sea? {SECRET}"}]
Reply = Callable[[Handler, dict[str, Any]], None]
MakeChat = Callable[..., Chat]


@pytest.fixture
def openai() -> Iterator[OpenAi]:
    with serving() as one:
        yield one


@pytest.fixture
def make_chat(openai: OpenAi, tokens: RemoteTokens) -> Iterator[MakeChat]:
    """A chat with one remote model; Ollama cannot be reached."""
    made: list[Chat] = []

    def make(*, address: str = "", timeout: float = 5, **about: Any) -> Chat:
        remote = RemoteModel(name=NAME, slug="big-1", model="gpt-big", host=HOST, **{"window": 1024, **about})
        miscounts = Miscounts()
        elsewhere = RemoteChat(
            remote,
            address=address or openai.address,
            timeout=timeout,
            max_tokens=64,
            tokens=tokens,
            miscounts=miscounts,
        )
        sizes = {"num_ctx": 1024, "max_tokens": 64}
        made.append(
            Chat(
                address="http://127.0.0.1:9",
                timeout=timeout,
                **sizes,
                threads=Threads([1]),
                elsewhere={NAME: elsewhere},
                miscounts=miscounts,
            )
        )
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture
def chat(make_chat: MakeChat) -> Chat:
    return make_chat()


READ_SECONDS, THOUGHT_SECONDS = 0.3, 2.0


def written(chat: Chat, **options: Any) -> tuple[str, Ending]:
    """A whole answer and how it ended."""
    stream, text = chat.stream(NAME, MESSAGES, **options), ""
    while True:
        try:
            text += next(stream)
        except StopIteration as end:
            return text, end.value


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


def refusing(status: int, message: str = SECRET, **more: Any) -> Reply:
    return lambda handler, asked: handler.refuse(status, message, **more)


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


def silent_after_words(handler: Handler, asked: dict[str, Any]) -> None:
    handler.begin()
    handler.piece("The lamp ")
    handler.silence()


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
    "unknown model": (refusing(404), ModelMissing, "gpt-big"),
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


def test_a_request_that_is_refused_costs_nothing(chat: Chat, openai: OpenAi, tokens: RemoteTokens) -> None:
    openai.reply = refusing(429)
    with pytest.raises(RemoteBusy):
        written(chat)
    assert tokens.today() == {}


def test_signs_of_life_are_no_answer(make_chat: MakeChat, openai: OpenAi) -> None:
    def alive(handler: Handler, asked: dict[str, Any]) -> None:
        handler.begin()
        handler.drip(": still there\n\n")

    openai.reply = alive
    began = time.monotonic()
    with pytest.raises(RemoteTooSlow):
        written(make_chat(timeout=0.4))
    assert time.monotonic() - began < 3


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


@pytest.mark.parametrize("after_words", [False, True])
def test_a_stop_ends_the_request_at_once(chat: Chat, openai: OpenAi, after_words: bool) -> None:
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


def test_prompt_over_the_models_own_window_is_not_sent(make_chat: MakeChat, openai: OpenAi) -> None:
    with pytest.raises(InputTooLong, match="over the 16"):
        written(make_chat(window=80))
    assert openai.asked == []


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


def test_a_model_whose_day_is_used_up_is_not_asked(
    make_chat: MakeChat, openai: OpenAi, tokens: RemoteTokens
) -> None:
    chat = make_chat(tokens_per_day=250)
    openai.reply = lambda handler, asked: handler.answer(["High."], read=180, written=20)
    written(chat)
    with pytest.raises(BudgetUsed, match=r"'big' has used 200 of its 250 tokens for today.*00:00 UTC"):
        written(chat)
    assert len(openai.asked) == 1
    assert tokens.today() == {NAME: 200}
