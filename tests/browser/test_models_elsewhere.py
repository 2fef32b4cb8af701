"""The notices that text leaves the server, in each appearance. Skipped without a remote model.

`make browser` runs on a deployment with local models alone. tests/README.md says how to run this file.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.appearance import DRESSES, look
from tests.browser.conftest import bring, forget, open_tab
from tests.browser.test_ask import QUESTION, STORY, ask
from tests.browser.visitor import Stack, sign_in, visitor
from tests.stack.endpoint import ApiClient, Endpoint, Json, value

NOTE = "keeper-told-elsewhere.md"
OUTSIDE = "outside this server"
# From the last source of an answer there are a few buttons up to its reasons.
TABS_AT_MOST = 6


@pytest.fixture(scope="module")
def status() -> Json:
    """The status of a deployment with a remote model."""
    api = ApiClient(Endpoint(value("url").rstrip("/"), value("token"), value("ca")))
    with api.http:
        found = api.status()
    if not found["remote_models"]:
        pytest.skip("no model of this deployment is remote; tests/README.md says how to deploy one")
    return found


def embedder(status: Json) -> str:
    """Return the name of the embedder."""
    contract = status["index_contract"]
    assert contract is not None, "the embedder does not answer"
    return str(contract["model"])


def wear(page: Page, scheme: str, width: int, height: int) -> None:
    """Load the page again in this appearance."""
    page.set_viewport_size({"width": width, "height": height})
    page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
    page.reload()


def test_pages_say_where_text_goes_before_anything_is_sent(
    browser: Browser, stack: Stack, status: Json
) -> None:
    """The empty Ask page, the Status page and, if the embedder is remote, the Library."""
    reads = [one["host"] for one in status["remote_models"] if one["name"] == embedder(status)]
    context = visitor(browser, stack)
    page = context.new_page()
    sign_in(page, stack)
    found: list[str] = []
    for name, scheme, width, height in DRESSES:
        wear(page, scheme, width, height)
        welcome = page.locator("#rd-chat .rd-welcome")
        expect(welcome).to_contain_text(OUTSIDE, timeout=60_000)
        for one in status["remote_models"]:
            expect(welcome).to_contain_text(one["host"])
        found += look(page, f"elsewhere-ask-{name}")
        open_tab(page, "Status")
        board = page.locator("#rd-status")
        for one in status["remote_models"]:
            expect(board).to_contain_text(f"{one['name']} at {one['host']}, {OUTSIDE}")
        found += look(page, f"elsewhere-status-{name}")
        open_tab(page, "Library")
        hint = page.locator("#rd-drop .rd-hint")
        expect(hint).to_be_visible()
        if reads:
            expect(hint).to_contain_text(f"Their text goes to {reads[0]}, {OUTSIDE}")
            found += look(page, f"elsewhere-library-{name}")
        else:
            expect(hint).not_to_contain_text(OUTSIDE)
        open_tab(page, "Ask")
    context.close()
    assert not found, "\n".join(found)


def test_an_answer_and_its_reasons_name_the_host_of_its_model(
    browser: Browser, stack: Stack, status: Json, tmp_path: Path
) -> None:
    """Below the answer and in "Why this answer", which is reached and opened by keyboard."""
    (tmp_path / NOTE).write_text(STORY)
    context = visitor(browser, stack)
    page = context.new_page()
    sign_in(page, stack)
    bring(page, tmp_path / NOTE)
    open_tab(page, "Ask")
    ask(page, QUESTION)
    found: list[str] = []
    for name, scheme, width, height in DRESSES:
        wear(page, scheme, width, height)
        answer = page.locator("#rd-chat .bot.message").last
        foot = answer.locator(".rd-foot .rd-meta")
        expect(foot).to_contain_text(OUTSIDE, timeout=60_000)
        assert any(one["host"] in foot.inner_text() for one in status["remote_models"])
        found += look(page, f"elsewhere-answer-{name}")
        answer.locator(".rd-source summary").last.focus()
        tab_to(page, answer.locator(".rd-why summary"))
        page.keyboard.press("Enter")
        expect(answer.locator(".rd-steps")).to_contain_text(OUTSIDE)
        found += look(page, f"elsewhere-reasons-{name}")
    forget(page, NOTE)
    context.close()
    assert not found, "\n".join(found)


def test_the_choice_of_a_model_names_its_host_by_keyboard_too(researcher: Page, status: Json) -> None:
    """The list of models in Settings opens without a pointer."""
    open_tab(researcher, "Settings")
    researcher.get_by_label("Model", exact=True).focus()
    researcher.keyboard.press("ArrowDown")
    asked = [one for one in status["remote_models"] if one["name"] != embedder(status)]
    for one in asked:
        label = f"{one['name']} at {one['host']}, {OUTSIDE}"
        expect(researcher.get_by_role("option", name=label)).to_be_visible()
    found = look(researcher, "elsewhere-settings")
    assert not found, "\n".join(found)


def tab_to(page: Page, element: Locator) -> None:
    """Press Tab until the element has the focus."""
    for _ in range(TABS_AT_MOST):
        page.keyboard.press("Tab")
        if element.evaluate("one => one === document.activeElement"):
            return
    pytest.fail(f"not reached with {TABS_AT_MOST} times Tab: {element}")
