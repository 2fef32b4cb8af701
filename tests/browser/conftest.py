"""Assumes: a deployed stack. Everything here goes through its public endpoint, as a person would."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.visitor import Stack, chromium, deployed, sign_in, visitor
from tests.eval import manuals

CHECKOUT = Path(__file__).parents[2]
PICTURES = CHECKOUT / ".sandbox" / "screenshots"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests here drive a browser."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def stack() -> Stack:
    """The deployed stack."""
    return deployed()


@pytest.fixture(scope="session")
def browser(stack: Stack) -> Iterator[Browser]:
    """Chromium."""
    with chromium(stack) as launched:
        yield launched


@pytest.fixture
def page(browser: Browser, stack: Stack, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A new visitor's page; a screenshot is kept when the test fails."""
    context = visitor(browser, stack)
    page = context.new_page()
    failed_before = request.session.testsfailed
    yield page
    if request.session.testsfailed > failed_before:
        page.screenshot(path=_picture(f"failed-{re.sub(r'[^a-z0-9]+', '-', request.node.name)}"))
    context.close()


@pytest.fixture
def researcher(page: Page, stack: Stack) -> Page:
    """A page of someone who is logged in."""
    sign_in(page, stack)
    return page


@pytest.fixture(scope="session")
def manual() -> Path:
    """An introduction to R: 105 pages or more."""
    return manuals.r_introduction()


def open_tab(page: Page, name: str) -> None:
    """Show one of the app's tabs."""
    tab = page.get_by_role("tab", name=name)
    expect(tab.or_(page.locator(".overflow-menu > button")).first).to_be_visible()
    if not tab.is_visible():
        # A narrow page keeps the last tabs in a menu.
        page.locator(".overflow-menu > button").click()
        page.locator(".overflow-dropdown button", has_text=name).click()
        expect(page.locator(".overflow-dropdown")).to_be_hidden()
        return
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")


def take_picture(page: Page, name: str) -> None:
    """Save a screenshot of the page, for people to look at."""
    page.screenshot(path=_picture(name))


def wait_for_state(page: Page, document: str, state: str, seconds: float) -> None:
    """Wait until the library shows a document in a state; fail early when it shows it as failed."""
    row = page.locator("li.rd-doc", has_text=document)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        seen = row.get_attribute("data-state", timeout=30_000)
        if seen == state:
            return
        assert seen != "failed", row.inner_text()
        page.wait_for_timeout(500)
    raise AssertionError(f"{document} is not {state} after {seconds:.0f} s: {row.inner_text()!r}")


def bring(page: Page, path: Path, seconds: float = 120) -> None:
    """Upload a document and wait until it is ready."""
    open_tab(page, "Library")
    page.locator("#rd-drop input[type=file]").set_input_files(path)
    expect(page.locator("li.rd-doc", has_text=path.name)).to_be_visible(timeout=30_000)
    wait_for_state(page, path.name, "ready", seconds=seconds)


def forget(page: Page, document: str) -> None:
    """Delete a document."""
    open_tab(page, "Library")
    row = page.locator("li.rd-doc", has_text=document)
    expect(row.first).to_be_visible(timeout=30_000)
    page.once("dialog", lambda dialog: dialog.accept())
    row.first.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0, timeout=30_000)


def _picture(name: str) -> Path:
    PICTURES.mkdir(parents=True, exist_ok=True)
    return PICTURES / f"{name}.png"
