"""Every handler of the page is a public endpoint: no input makes it open a file or a URL."""

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from threading import Thread
from typing import Any

import gradio as gr
import httpx
import pytest

from rag_app.events import MOST_BYTES, Events
from rag_app.ui import render

from .conftest import TOKEN, Live

SECRET = "only-in-this-file-4d5e6f70"
JOIN, RUN = "/app/gradio_api/queue/join", "/app/gradio_api/run/predict"
FILE = {"_type": "gradio.FileData"}
METADATA = "http://169.254.169.254/latest/meta-data/"
"""Never contacted: nothing here may open a connection."""


@pytest.fixture(scope="module")
def person(live: Live) -> Iterator[httpx.Client]:
    """A signed-in client, as an attacker with a session would be."""
    with live.person() as browser:
        yield browser


@pytest.fixture(scope="module")
def functions(person: httpx.Client) -> list[dict[str, Any]]:
    """All handlers listed in the page's config."""
    found: list[dict[str, Any]] = person.get("/app/config").json()["dependencies"]
    return found


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[str, list[bytes]]]:
    """An address in the internal network, and the connections made to it."""
    visits: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)
        stopped: list[bool] = []

        def listen() -> None:
            while not stopped:
                try:
                    visitor, _ = listening.accept()
                except TimeoutError:
                    continue
                with visitor:
                    visits.append(b"came")

        thread = Thread(target=listen)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/inside", visits
        stopped.append(True)
        thread.join()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory, listener: tuple[str, list[bytes]]) -> list[str]:
    """The files and URLs that an attacker wants opened."""
    folder = tmp_path_factory.mktemp("server")
    secret, link, token = folder / "secret.txt", folder / "link.txt", folder / "api_token"
    secret.write_text(SECRET)
    token.write_text(TOKEN)
    link.symlink_to(secret)
    return [
        str(secret),
        str(link),
        str(token),
        f"file://{secret}",
        f"{folder}/../{folder.name}/secret.txt",
        f"/app/gradio_api/file={secret}",
        "/etc/passwd",
        "file:///etc/passwd",
        "../../../../../../etc/passwd",
        "/proc/self/environ",
        listener[0],
        METADATA,
    ]


def _shapes(place: str) -> list[object]:
    """The formats in which Gradio accepts a file, a URL or a component."""
    file = {"path": place, "meta": FILE}
    component = {"component": "image", "value": file, "constructor_args": {"value": place}, "props": {}}
    return [
        file,
        {"path": place, "url": place, "orig_name": "x", "meta": FILE},
        [file],
        {"value": file, "__type__": "update"},
        [{"role": "user", "content": [{"type": "file", "file": file}]}],
        [{"role": "assistant", "content": {"type": "file", "file": file, "alt_text": "x"}}],
        [{"role": "user", "content": [{"type": "component", **component}]}],
        [{"role": "user", "content": component, "metadata": None, "options": None}],
        {"text": "x", "files": [file]},
    ]


def _call(person: httpx.Client, function: dict[str, Any], data: list[object], details: object) -> str:
    """Send an allowed event; returns the response and everything that follows in the stream."""
    body = {"data": data, "event_data": details, "fn_index": function["id"], "session_hash": "attack"}
    answer = person.post(RUN if function["queue"] is False else JOIN, json=body)
    assert answer.status_code in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}, answer.text
    if "event_id" not in answer.text:
        return answer.text
    with person.stream("GET", "/app/gradio_api/queue/data?session_hash=attack") as stream:
        followed = "".join(stream.iter_lines())
    assert '"success":false' not in followed
    return answer.text + followed


def _cached(live: Live) -> set[Path]:
    folders = (live.folder, Path(os.environ["GRADIO_TEMP_DIR"]))
    return {path for folder in folders for path in folder.rglob("*") if path.suffix in {".txt", ""}}


def test_no_function_opens_a_path_or_an_address(
    live: Live,
    person: httpx.Client,
    functions: list[dict[str, Any]],
    places: list[str],
    listener: tuple[str, list[bytes]],
) -> None:
    before = _cached(live)
    assert len(functions) > 20
    for function in functions:
        many = len(function["inputs"])
        for place in places:
            # A path is a text like any other: it may be accepted as text, but never opened.
            click = dict.fromkeys(("action", "talk", "document", "exchange", "value", "path", "tags"), place)
            shown = _call(person, function, [place] * many, click)
            assert SECRET not in shown
            assert TOKEN not in shown
            assert "root:" not in shown
        for shape in _shapes(places[0]):
            assert _refused(person, function, [shape] * many, shape)
    assert _cached(live) == before
    assert listener[1] == []


def _refused(person: httpx.Client, function: dict[str, Any], data: list[object], details: object) -> bool:
    body = {"data": data, "event_data": details, "fn_index": function["id"], "session_hash": "attack"}
    answers = [person.post(path, json=body).status_code for path in (JOIN, RUN)]
    return answers == [HTTPStatus.BAD_REQUEST] * 2


def test_no_function_fails_on_an_event_that_says_nothing(
    person: httpx.Client, functions: list[dict[str, Any]]
) -> None:
    """Each is called with the page's initial values."""
    odd: list[object] = [None, {}, "x", [], 0, {"action": None, "document": [], "first": True, "liked": "x"}]
    first = {one["id"]: one["props"].get("value") for one in person.get("/app/config").json()["components"]}
    for function in functions:
        for details in odd:
            _call(person, function, [first.get(one) for one in function["inputs"]], details)


@pytest.fixture(scope="module")
def answer_event(functions: list[dict[str, Any]]) -> dict[str, Any]:
    """What the page sends for a question."""
    number = next(one["id"] for one in functions if one["api_name"] == "answer")
    data: list[object] = [None, None, None, "", "Automatic", 5, 60, [], [], [], None, None]
    return {"data": data, "event_data": None, "fn_index": number, "session_hash": "typed"}


def test_what_the_page_sends_is_taken(person: httpx.Client, answer_event: dict[str, Any]) -> None:
    assert person.post(JOIN, json=answer_event).status_code == 200


@pytest.mark.parametrize(
    ("position", "value"),
    [
        (3, 7),
        (3, ["a"]),
        (3, "x" * 70_000),
        (4, "no-such-model"),
        (4, ["Automatic"]),
        (5, "5"),
        (5, True),
        (5, None),
        (5, [5]),
        (6, {}),
        (7, "all"),
        (7, [1]),
        (7, [["x"]]),
        (7, ["x"] * 1001),
        (8, ["no-such-kind"]),
        (8, "pdf"),
        (9, [None]),
        (10, 20260101),
        (10, ["2026-01-01"]),
        (11, "2" * 100),
    ],
)
def test_value_of_the_wrong_kind_is_refused(
    person: httpx.Client, answer_event: dict[str, Any], position: int, value: object
) -> None:
    data = [*answer_event["data"]]
    data[position] = value
    _is_refused(person.post(JOIN, json=answer_event | {"data": data}))


@pytest.mark.parametrize(
    "changed",
    [
        {"fn_index": -1},
        {"fn_index": 9999},
        {"fn_index": "9"},
        {"fn_index": True},
        {"fn_index": None},
        {"fn_index": 10**400},
        {"data": []},
        {"data": None},
        {"data": {"0": "x"}},
        {"data": ["x"] * 50},
        {"trigger_id": 99_999},
        {"trigger_id": "0"},
        {"session_hash": None},
        {"session_hash": "../x"},
        {"session_hash": 7},
        {"event_data": {"a": {"b": 1}}},
        {"event_data": [["x"]]},
    ],
)
def test_event_that_the_page_has_not_is_refused(
    person: httpx.Client, answer_event: dict[str, Any], changed: dict[str, object]
) -> None:
    _is_refused(person.post(JOIN, json=answer_event | changed))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nothing",
        b"[]",
        b"null",
        b'"x"',
        b'{"data": NaN}',
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"data":' * 50_000,
        b'{"data": [%s]}' % (b'"' + b"x" * MOST_BYTES + b'"'),
    ],
)
@pytest.mark.parametrize("path", [JOIN, RUN, "/app/gradio_api/cancel", "/app/gradio_api/reset"])
def test_body_that_cannot_be_read_is_refused(person: httpx.Client, path: str, body: bytes) -> None:
    _is_refused(person.post(path, content=body, headers={"Content-Type": "application/json"}))


def test_half_a_character_is_refused(person: httpx.Client, answer_event: dict[str, Any]) -> None:
    data = [*answer_event["data"]]
    data[3] = "\ud800"
    _is_refused(person.post(JOIN, content=json.dumps(answer_event | {"data": data})))


def test_numbers_out_of_range_are_brought_into_it() -> None:
    page = _page_with(gr.Slider, minimum=1, maximum=20)
    body = {"data": [10**300], "fn_index": 0, "session_hash": "s"}
    for sent, taken in ((10**300, 20), (-1, 1), (7, 7)):
        raw = json.dumps(body | {"data": [sent]}).encode()
        assert json.loads(Events.of(page).event(raw, str, queued=True))["data"] == [taken]


def test_what_gradio_gets_is_rebuilt() -> None:
    """Fields that only Gradio itself may set are not passed on."""
    page = _page_with(gr.Textbox)
    own = {"event_id": "0" * 32, "batched": True, "simple_format": True, "oauth_token": "x", "request": {}}
    raw = json.dumps({"data": [""], "fn_index": 0, "session_hash": "s"} | own).encode()
    passed = json.loads(Events.of(page).event(raw, str.upper, queued=True))
    assert sorted(passed) == ["data", "event_data", "fn_index", "session_hash", "trigger_id"]
    assert passed["session_hash"] == "S"


@pytest.mark.parametrize("kind", [gr.File, gr.Image, gr.Chatbot, gr.MultimodalTextbox, gr.Gallery, gr.JSON])
def test_page_with_an_input_that_opens_files_does_not_start(kind: Any) -> None:
    page = _page_with(kind)
    with pytest.raises(TypeError, match=kind.__name__):
        Events.of(page)


def test_a_question_may_speak_of_files(person: httpx.Client, functions: list[dict[str, Any]]) -> None:
    take = next(one for one in functions if one["api_name"] == "take")
    asked = 'What does {"meta": {"_type": "gradio.FileData"}, "path": "/etc/passwd"} mean?'
    body = {"data": [asked, "", None], "fn_index": take["id"], "session_hash": "asks"}
    answer = person.post(RUN, json=body)
    shown = answer.json()["data"][-1]
    assert [message["content"][0]["text"] for message in shown] == [render.question_markdown(asked)]


def _page_with(kind: Any, **options: object) -> gr.Blocks:
    """A page with one event that takes one input; built inside a running loop, like the app's."""

    async def inside() -> gr.Blocks:
        with gr.Blocks() as page:
            gr.Button().click(lambda value: None, kind(**options), None)
        return page  # type: ignore[no-any-return]

    return asyncio.run(inside())


def _is_refused(answer: httpx.Response) -> None:
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "bad_event"), answer.text
