"""Gradio's chat in a real browser: nothing in a hostile answer becomes active."""

import asyncio
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Dialog, Page, sync_playwright

from rag_app.ui import ask, render

from .test_hostile_text import HOSTILE, OURS, answer

pytestmark = [pytest.mark.real, pytest.mark.clock]

_LIVE = "#rd-chat .md :is(a,img,form,iframe,input,script,style,object,embed,link,meta,base,video,audio,math)"
_ELEMENTS = """() => [...document.querySelectorAll('#rd-chat .md *')].map(
    (one) => [one.tagName.toLowerCase(), ...[...one.attributes].map((attribute) => attribute.name)])"""


@pytest.fixture
def chat() -> Iterator[tuple[str, int]]:
    """A page with all hostile answers; yields its URL and their number."""
    messages = []
    for written in HOSTILE.values():
        shown = render.answer_markdown(answer(written), written, "0123456789abcdef")
        messages += [
            {"role": "user", "content": render.question_markdown(written)},
            {"role": "assistant", "content": shown},
        ]

    async def build() -> FastAPI:
        # Inside a running loop: otherwise Gradio opens its own loops and never closes them.
        with gr.Blocks() as page:
            box = ask._chat()
            page.load(lambda: messages, None, box)
        app = FastAPI()
        gr.mount_gradio_app(app, page, path="/app")
        return app

    app = asyncio.run(build())
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        server = uvicorn.Server(uvicorn.Config(app, log_config=None, timeout_graceful_shutdown=1))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/app/", len(HOSTILE)
        server.should_exit = True
        thread.join()


@pytest.fixture
def browser() -> Iterator[Page]:
    """A page in Chromium."""
    debians = "/usr/bin/chromium" if Path("/usr/bin/chromium").exists() else None
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=os.environ.get("RAGDOCK_CHROMIUM") or debians,
            args=["--no-sandbox", "--disable-gpu"],
        )
        yield chromium.new_page()
        chromium.close()


def test_nothing_of_a_hostile_answer_is_live(chat: tuple[str, int], browser: Page) -> None:
    address, many = chat
    asked: list[str] = []
    opened: list[str] = []
    browser.on("request", lambda request: asked.append(request.url))

    def opens(dialog: Dialog) -> None:
        opened.append(dialog.message)
        dialog.dismiss()

    browser.on("dialog", opens)
    browser.goto(address)
    feet = browser.locator("#rd-chat .rd-foot")
    feet.nth(many - 1).wait_for(state="attached")
    assert feet.count() == many
    assert browser.locator(_LIVE).count() == 0
    found = browser.evaluate(_ELEMENTS)
    assert len(found) > 10 * many
    dressed = {"dir"}  # set by the page's own script in the app
    for name, *attributes in found:
        assert name in OURS, name
        assert set(attributes) - dressed <= OURS[name], (name, attributes)
    assert opened == []
    assert [
        url for url in asked if not url.startswith((address.removesuffix("/app/"), "data:", "blob:"))
    ] == []
