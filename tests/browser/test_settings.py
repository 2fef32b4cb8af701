"""Two people at one deployment: the settings of each apply to that person's questions alone."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.conftest import bring, forget, open_tab
from tests.browser.test_ask import ANSWER_MS, ask
from tests.browser.test_health import gone
from tests.browser.visitor import Stack, sign_in, visitor
from tests.stack.endpoint import value
from tests.stack.host import Host

NOTES = {
    "eddystone-by-day.md": "# By day\n\nThe Eddystone keeper paints the lighthouse gallery with red lead.\n",
    "eddystone-by-night.md": "# By night\n\nThe Eddystone keeper winds the lighthouse clockwork by hand.\n",
}
QUESTION = "What does the Eddystone keeper do at the lighthouse by day and by night?"
SHORTEST = 5
"""Seconds: the least that Settings offers."""
MODELS = 3
"""At most: each takes its own wait before the passages are the answer."""
GRACE = 12
"""Seconds in which the page tells what happened."""
GAVE_UP = re.compile("No model could write an answer|The answer took too long")


@pytest.fixture(scope="module", autouse=True)
def notes(browser: Browser, stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Two short documents about the same keeper."""
    folder = tmp_path_factory.mktemp("notes")
    context = visitor(browser, stack)
    page = context.new_page()
    sign_in(page, stack)
    for name, text in NOTES.items():
        (folder / name).write_text(text)
        bring(page, folder / name)
    yield
    for name in NOTES:
        forget(page, name)
    context.close()


@contextmanager
def person(browser: Browser, stack: Stack) -> Iterator[Page]:
    """Someone with a browser of their own."""
    context = visitor(browser, stack)
    page = context.new_page()
    sign_in(page, stack)
    yield page
    context.close()


def number(page: Page, control: str) -> Locator:
    """Return the number field of a slider in Settings."""
    return page.locator(f"#{control} input[type=number]")


def answer_without_models(page: Page, host: Host, seconds: float) -> tuple[Locator, bool]:
    """Ask, and stop the models while they write; return the answer, and whether it ended in `seconds`."""
    # A short answer may be complete before the models stop; then another question is asked.
    for wish in ("Tell all of it, slowly.", "Tell it as a long story.", "Tell it at length, in many words."):
        answer = ask(page, f"{QUESTION} {wish}", wait=False)
        foot = answer.locator(".rd-foot")
        expect(answer.filter(has_text="Reading").or_(foot)).to_be_visible(timeout=ANSWER_MS)
        with gone(host):
            stopped = time.monotonic()
            if not foot.count():
                while not foot.count() and time.monotonic() - stopped < seconds:
                    page.wait_for_timeout(250)
                ended = foot.count() > 0
                break
    else:
        pytest.fail("no answer took long enough to be held up")
    expect(foot).to_be_visible(timeout=ANSWER_MS)
    return answer, ended


def test_wait_and_passages_of_one_person_are_not_those_of_another(browser: Browser, stack: Stack) -> None:
    """One person gets passages after a few seconds; the other's answer waits for the models to return."""
    host = Host(value("name"))
    with person(browser, stack) as impatient, person(browser, stack) as patient:
        open_tab(patient, "Settings")
        usual = [number(patient, control).input_value() for control in ("rd-top-k", "rd-timeout")]
        held = SHORTEST * MODELS + GRACE
        assert int(usual[1]) > 2 * held, f"a deployment that waits {usual[1]} s cannot tell the two apart"

        open_tab(impatient, "Settings")
        for control, chosen in (("rd-top-k", "1"), ("rd-timeout", str(SHORTEST))):
            number(impatient, control).fill(chosen)
            number(impatient, control).press("Tab")
        impatient.wait_for_timeout(500)
        patient.reload()
        open_tab(patient, "Settings")
        for control, own in zip(("rd-top-k", "rd-timeout"), usual, strict=True):
            expect(number(patient, control)).to_have_value(own)

        open_tab(impatient, "Ask")
        answer, ended = answer_without_models(impatient, host, held)
        assert ended, f"a wait of {SHORTEST} s took over {held} s"
        expect(answer).to_contain_text(GAVE_UP)
        assert read(answer) == 1

        open_tab(patient, "Ask")
        answer, ended = answer_without_models(patient, host, held)
        assert not ended, answer.inner_text()
        expect(answer).not_to_contain_text(GAVE_UP)
        assert read(answer) > 1


def read(answer: Locator) -> int:
    """Return how many passages an answer was made from."""
    answer.locator(".rd-why summary").click()
    rows = answer.locator(".rd-why tbody tr")
    expect(rows.first).to_be_visible()
    return rows.count()
