"""The health badge shows the state of the models: well, slow, gone, and well again."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import take_picture
from tests.browser.visitor import Stack, sign_in
from tests.stack.endpoint import value
from tests.stack.host import Host

# The app checks the models every 10 s, and waits up to 20 s after a second failure in a row.
SEEN_MS = 90_000
WELL_MS = 120_000
# The time from one answer of Ollama to the next. A check that waited for an answer is followed by the next
# one 10 s later, which waits 3.2 s: longer than what counts as slow (1.5 s) and shorter than gone (5 s). With
# a beat of 5 s each check would come just when Ollama answers, and the models would seem well.
BEAT_SECONDS = 4.4
LET_GO_SECONDS = 0.3
# The next check of models that are gone comes 10 s after the first one, which waits 5 s for an answer.
SECOND_LOOK_MS = 20_000


@pytest.fixture
def host() -> Host:
    """The host under the stack."""
    return Host(value("name"))


def hold(host: Host, *, held: bool) -> None:
    """Pause or resume every process of Ollama."""
    for container in host.ids("ollama"):
        host.run("docker", "pause" if held else "unpause", container, check=False)


@contextmanager
def slow(host: Host) -> Iterator[None]:
    """Ollama answers, but mostly only after some seconds."""
    over = threading.Event()

    def pulse() -> None:
        began = time.monotonic()
        for beat in itertools.count(1):
            hold(host, held=True)
            # Wait by the clock: the beat stays the same however long it takes to pause and resume.
            over.wait(max(0.0, began + beat * BEAT_SECONDS - time.monotonic()))
            hold(host, held=False)
            if over.wait(LET_GO_SECONDS):
                return

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


def test_the_badge_distinguishes_slow_models_from_quick_ones(page: Page, stack: Stack, host: Host) -> None:
    """Green, amber while answers take long, and green again."""
    sign_in(page, stack)
    badge = page.locator("#rd-health .rd-badge")
    expect(badge).to_contain_text("All well", timeout=WELL_MS)
    with slow(host):
        expect(badge).to_contain_text("Slow", timeout=SEEN_MS)
        expect(badge).to_have_class("rd-badge rd-amber")
        take_picture(page, "health-amber")
    expect(badge).to_contain_text("All well", timeout=WELL_MS)


def test_each_outage_is_reported_once(page: Page, stack: Stack, host: Host) -> None:
    """Red with one notice while there are no models; green again; and the next outage has its own notice."""
    sign_in(page, stack)
    badge = page.locator("#rd-health .rd-badge")
    expect(badge).to_contain_text("All well", timeout=WELL_MS)
    notices = page.get_by_role("alert").filter(has_text="The language model does not answer.")
    with gone(host):
        expect(badge).to_contain_text("Model down", timeout=SEEN_MS)
        expect(badge).to_have_class("rd-badge rd-red")
        # After another check there is still one notice, which takes its space from the conversation, not
        # from the question.
        page.wait_for_timeout(SECOND_LOOK_MS)
        expect(notices).to_have_count(1)
        expect(page.get_by_placeholder("Ask your documents")).to_be_in_viewport(ratio=1)
        take_picture(page, "health-red")
    expect(badge).to_contain_text("All well", timeout=WELL_MS)
    expect(notices).to_have_count(0)
    with gone(host):
        expect(badge).to_contain_text("Model down", timeout=SEEN_MS)
        expect(notices).to_have_count(1)
    expect(badge).to_contain_text("All well", timeout=WELL_MS)
    expect(notices).to_have_count(0)
