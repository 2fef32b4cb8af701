"""Every page as light, dark and phone: it fits the window, and people with poor sight can read it."""

from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.appearance import DRESSES, look
from tests.browser.conftest import bring, forget, open_tab
from tests.browser.visitor import Stack, sign_in, visitor

TABS = ("Ask", "Library", "Insights", "Settings", "Status")


@pytest.mark.parametrize(("name", "scheme", "width", "height"), DRESSES)
def test_every_page_fits_and_can_be_read(
    browser: Browser, stack: Stack, name: str, scheme: str, width: int, height: int
) -> None:
    """WCAG 2.1 A and AA as far as axe-core can check; the screenshots are for people to judge."""
    context = visitor(browser, stack, color_scheme=scheme, viewport={"width": width, "height": height})
    page = context.new_page()
    found: list[str] = []
    page.goto(f"{stack.url}/")
    expect(page.get_by_role("status")).to_contain_text("Up and answering")
    found += look(page, f"landing-{name}")
    page.goto(f"{stack.url}/login")
    found += look(page, f"login-{name}")
    sign_in(page, stack)
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(1500)
        found += look(page, f"{tab.lower()}-{name}")
    context.close()
    assert not found, "\n".join(found)


def test_insights_count_what_was_asked(researcher: Page, tmp_path: Path) -> None:
    """The charts are drawn from the ledger's own figures."""
    note = tmp_path / "counted.md"
    note.write_text("The cooper of Baltimore counts his casks.\n")
    bring(researcher, note)
    open_tab(researcher, "Insights")
    cards = researcher.locator("#rd-insights dd")
    expect(cards).to_have_count(5)
    assert int(cards.nth(0).inner_text().replace(",", "")) >= 1
    assert int(cards.nth(2).inner_text().replace(",", "")) >= 1
    expect(researcher.locator(".rd-charts canvas, .rd-charts svg.marks")).to_have_count(6, timeout=30_000)
    forget(researcher, note.name)
