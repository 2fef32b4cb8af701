"""Checks of a page: a screenshot for people, no content wider than the window, and accessibility rules."""

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page

from tests.browser.conftest import take_picture

RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"], "resultTypes": ["violations"]}
DRESSES = [
    ("light", "light", 1280, 860),
    ("dark", "dark", 1280, 860),
    ("phone", "light", 390, 844),
    ("phone-dark", "dark", 390, 844),
]


def look(page: Page, name: str) -> list[str]:
    """Take a screenshot and return the faults, each with the name of the screenshot."""
    take_picture(page, name)
    wider = page.evaluate("document.documentElement.scrollWidth - window.innerWidth")
    found = [f"{name} is wider than the window by {wider} px"] if wider > 0 else []
    for fault in Axe().run(page, options=RULES).response["violations"]:
        where = "; ".join(str(node["target"]) for node in fault["nodes"][:3])
        found.append(f"{name}: {fault['id']} ({fault['help']}) at {where}")
    return found
