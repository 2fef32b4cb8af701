"""The badge tells how the models are: well, slow, gone; and well again."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Stack, sign_in, take_picture
from tests.stack.door import value
from tests.stack.host import Host

# The app looks every 10 s, and waits up to 20 after a second failure in a row.
SEEN_MS = 90_000
WELL_MS = 120_000
# Longer than what counts as slow (1.5 s), shorter than what counts as gone (5 s).
HELD_SECONDS = 4.2
LET_GO_SECONDS = 0.3


@pytest.fixture
def host() -> Host:
    """The host under the stack."""
    return Host(value("name"))


def hold(host: Host, *, held: bool) -> None:
    """Stop or let go on every process of Ollama."""
    for container in host.ids("ollama"):
        host.run("docker", "pause" if held else "unpause", container, check=False)


@contextmanager
def slow(host: Host) -> Iterator[None]:
    """Ollama answers, but mostly only after some seconds."""
    over = threading.Event()

    def pulse() -> None:
        while not over.is_set():
            hold(host, held=True)
            over.wait(HELD_SECONDS)
            hold(host, held=False)
            over.wait(LET_GO_SECONDS)

    thread = threading.Thread(target=pulse)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextmanager
def gone(host: Host) -> Iterator[None]:
    """Ollama does not answer at all."""
    hold(host, held=True)
    try:
        yield
    finally:
        hold(host, held=False)


def test_the_badge_is_honest_and_tells_an_outage_once(page: Page, stack: Stack, host: Host) -> None:
    """Green, amber while answers take long, red with one notice while there are none, and green again."""
    sign_in(page, stack)
    badge = page.locator("#rd-health .rd-badge")
    expect(badge).to_contain_text("All well", timeout=WELL_MS)
    with slow(host):
        expect(badge).to_contain_text("Slow", timeout=SEEN_MS)
        expect(badge).to_have_class("rd-badge rd-amber")
        take_picture(page, "health-amber")
    expect(badge).to_contain_text("All well", timeout=WELL_MS)
    notices = page.get_by_role("alert").filter(has_text="The language model does not answer.")
    with gone(host):
        expect(badge).to_contain_text("Model down", timeout=SEEN_MS)
        expect(badge).to_have_class("rd-badge rd-red")
        expect(notices).to_have_count(1)
        # The notice takes its place from the conversation, not from the question.
        expect(page.get_by_placeholder("Ask your documents")).to_be_in_viewport(ratio=1)
        take_picture(page, "health-red")
        # Two looks later it is still gone, and nobody is told again.
        page.wait_for_timeout(25_000)
        expect(notices).to_have_count(1)
        expect(badge).to_have_class("rd-badge rd-red")
    expect(badge).to_contain_text("All well", timeout=WELL_MS)
    expect(notices).to_have_count(0)
