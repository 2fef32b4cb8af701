"""What people see after an action, in each appearance: quotes, an answer, its reasons, a page, a filter."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.appearance import DRESSES, look
from tests.browser.conftest import bring, forget, open_tab
from tests.browser.test_ask import ANSWER_MS, QUESTION, STORY, ask
from tests.browser.test_health import gone
from tests.browser.visitor import Stack, sign_in, visitor
from tests.stack.endpoint import value
from tests.stack.host import Host

NOTE = "keeper-as-seen.md"
BROKEN = "not-a-document.pdf"
# Colours change gradually; axe would find those of the moment.
FADED_MS = 400


def test_what_people_bring_about_can_be_read_in_every_dress(
    browser: Browser, stack: Stack, tmp_path: Path
) -> None:
    """One answer and one failed document, checked as `test_every_page_fits_and_can_be_read` does."""
    (tmp_path / NOTE).write_text(STORY)
    (tmp_path / BROKEN).write_bytes(b"%PDF-1.7\nThis is where it ends.")
    context = visitor(browser, stack)
    page = context.new_page()
    sign_in(page, stack)
    bring(page, tmp_path / NOTE)
    page.locator("#rd-drop input[type=file]").set_input_files(tmp_path / BROKEN)
    failed = page.locator("li.rd-doc", has_text=BROKEN)
    expect(failed).to_have_attribute("data-state", "failed", timeout=60_000)
    open_tab(page, "Ask")
    ask(page, QUESTION)

    found: list[str] = []
    for name, scheme, width, height in DRESSES:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        page.reload()
        found += _states(page, name)
    found += _quotes(page, Host(value("name")))
    open_tab(page, "Library")
    failed.get_by_role("button", name="Delete").first.scroll_into_view_if_needed()
    forget(page, BROKEN)
    forget(page, NOTE)
    context.close()
    assert not found, "\n".join(found)


def _states(page: Page, name: str) -> list[str]:
    answer = page.locator("#rd-chat .bot.message").last
    expect(answer.locator(".rd-foot")).to_be_visible(timeout=60_000)
    found = look(page, f"answer-{name}")
    answer.locator(".rd-why summary").click()
    expect(answer.locator(".rd-why tbody")).to_be_visible()
    found += look(page, f"reasons-{name}")
    answer.locator(".rd-why summary").click()

    source = answer.locator("details.rd-source").first
    source.locator("summary").click()
    source.get_by_role("button", name="Read it in the document").click()
    expect(page.locator("#rd-reader mark").first).to_be_in_viewport()
    found += look(page, f"page-{name}")
    page.keyboard.press("Escape")
    expect(page.locator("#rd-reader")).to_be_hidden()

    page.get_by_role("button", name="Filter").click()
    expect(page.get_by_label("Documents", exact=True)).to_be_in_viewport()
    page.locator("#rd-only-until").scroll_into_view_if_needed()
    found += look(page, f"filter-{name}")
    page.get_by_role("button", name="Filter").click()

    open_tab(page, "Library")
    expect(page.locator("li.rd-doc", has_text=BROKEN)).to_be_visible(timeout=30_000)
    found += look(page, f"failed-{name}")
    open_tab(page, "Ask")
    return found


def _quotes(page: Page, host: Host) -> list[str]:
    """Stop the models after the search, and look at the quotes that stand in place of the answer."""
    # A short answer may be complete before the models stop; then another question is asked.
    for wish in ("Tell all of it, slowly.", "Tell it as a long story.", "Tell it at length, in many words."):
        answer = ask(page, f"{QUESTION} {wish}", wait=False)
        quote, foot = answer.locator(".rd-quote").first, answer.locator(".rd-foot")
        expect(quote.or_(foot).first).to_be_visible(timeout=60_000)
        with gone(host):
            # What the models wrote before they stopped is still on its way.
            page.wait_for_timeout(FADED_MS)
            if foot.count():
                continue
            found = _quotes_in_each_dress(page, quote)
        expect(foot).to_be_visible(timeout=ANSWER_MS)
        expect(quote).to_have_count(0)
        return found
    pytest.fail("no answer took long enough to see its quotes")


def _quotes_in_each_dress(page: Page, quote: Locator) -> list[str]:
    """Unlike elsewhere the page is not loaded again, which would lose the waiting question."""
    found: list[str] = []
    for name, scheme, width, height in DRESSES:
        page.set_viewport_size({"width": width, "height": height})
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        expect(page.locator("body.dark")).to_have_count(int(scheme == "dark"))
        page.wait_for_timeout(FADED_MS)
        expect(quote.locator("blockquote")).not_to_be_empty()
        quote.scroll_into_view_if_needed()
        found += look(page, f"quotes-{name}")
    return found
