"""A researcher's day: sign in, upload a real manual, and get an answer that cites its page."""

import re
import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from pypdf import PdfReader

from tests.browser.conftest import open_tab, take_picture, wait_for_state
from tests.browser.visitor import Stack, sign_in, visitor

QUESTIONS = (
    "How do I solve the linear equations b = A x with solve(A,b)?",
    "What does solve(A,b) compute for a matrix A and a vector b?",
    "Why is solve(A,b) better than computing the inverse solve(A)?",
    "Which function solves a system of linear equations?",
    "What is solve(A,b) for?",
    "Is it wise to compute x <- solve(A) %*% b?",
    "What is the inverse of the matrix A, and how does solve(A) compute it?",
    "How does R solve linear equations when only A and b are given?",
)
"""Section 5.7.2 of the manual answers them: solve(). Asked in turn until an answer has a checked citation.

A very small model strays from its passages now and then; the marks say so, and it is not what is tested.
"""
TABS = ("Ask", "Library", "Insights", "Settings", "Status")
ANSWER_SECONDS = 300
"""Two models may each take their whole timeout before the passages themselves are the answer."""


@pytest.fixture(scope="module")
def manual_is_ready(browser: Browser, stack: Stack, manual: Path) -> None:
    """Upload the manual as people do, and watch it until it is ready."""
    context = visitor(browser, stack)
    page = context.new_page()
    sign_in(page, stack)
    open_tab(page, "Library")
    page.locator("#rd-drop input[type=file]").set_input_files(manual)
    expect(page.locator("#rd-outcome")).to_contain_text("1 file taken", timeout=60_000)
    row = page.locator("li.rd-doc", has_text=manual.name)
    expect(row).to_be_visible()
    # The library must get there by itself: nothing is reloaded here.
    wait_for_state(page, manual.name, "ready", seconds=600)
    facts = row.inner_text()
    pages = int(_found(r"(\d+) pages", facts))
    chunks = int(_found(r"([\d,]+) chunks", facts).replace(",", ""))
    assert pages > 100, facts
    assert chunks > pages, facts
    take_picture(page, "library-light")
    context.close()


def test_landing_leads_through_login_into_the_app(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/")
    expect(page.get_by_role("status")).to_contain_text("Up and answering")
    take_picture(page, "landing-light")
    page.get_by_role("button", name="Open the app").click()
    expect(page).to_have_url(re.compile(r"/login\?next=/app/"))
    take_picture(page, "login-light")
    page.get_by_label("User").fill(stack.user)
    page.get_by_label("Password").fill(stack.password)
    page.get_by_role("button", name="Sign in").click()
    expect(page).to_have_url(re.compile(r"/app/"))
    expect(page.get_by_role("tab", name="Ask")).to_be_visible(timeout=60_000)


def test_answer_streams_and_cites_document_and_right_page(
    researcher: Page, manual_is_ready: None, manual: Path
) -> None:
    open_tab(researcher, "Ask")
    right = _pages_with(manual, r"solve\(A")
    for question in QUESTIONS:
        answer = _answer(researcher, question)
        if answer.locator(".rd-cite").count() and _pages_cited(answer) & right:
            break
        researcher.get_by_role("button", name="New", exact=True).click()
        expect(researcher.locator("#rd-chat .bot.message")).to_have_count(0)

    sources = answer.locator("details.rd-source")
    expect(sources.first).to_be_visible()
    cited = sources.all_inner_texts()
    pages = _pages_cited(answer)
    assert all(manual.name in text for text in cited), cited
    assert pages & right, f"cited {pages}; the manual speaks of solve() elsewhere"

    answer.locator(".rd-cite").first.click()
    expect(sources.first.locator("blockquote")).to_be_visible()
    take_picture(researcher, "answer-light")


def test_page_speaks_to_its_own_site_only(page: Page, stack: Stack) -> None:
    """Nothing may leave the stack; a single web font would break that.

    No request of the page is refused either: of Gradio's routes only those that the page needs are served.
    """
    spoken: set[str] = set()
    refused: list[str] = []
    page.on("request", lambda request: spoken.add(request.url))
    page.on("response", lambda answer: refused.append(answer.url) if answer.status >= 400 else None)
    page.goto(f"{stack.url}/")
    sign_in(page, stack)
    for tab in TABS:
        open_tab(page, tab)
        page.wait_for_timeout(1000)
    assert len(spoken) > 10
    assert {url for url in spoken if not url.startswith((stack.url, "data:", "blob:"))} == set()
    assert [url for url in refused if "/app/" in url] == []


def test_library_refuses_an_empty_file_and_says_why(researcher: Page, tmp_path: Path) -> None:
    empty = tmp_path / "nothing-in-it.pdf"
    empty.touch()
    open_tab(researcher, "Library")
    researcher.locator("#rd-drop input[type=file]").set_input_files(empty)
    expect(researcher.locator("#rd-outcome")).to_contain_text("1 file not taken", timeout=30_000)
    refused = researcher.locator("#rd-drop li", has_text="nothing-in-it.pdf")
    expect(refused).to_contain_text("empty")


def test_document_is_deleted_after_a_question(researcher: Page, tmp_path: Path) -> None:
    note = tmp_path / "short-lived-note.txt"
    note.write_text("The lighthouse keeper of Fastnet writes with green ink.\n")
    open_tab(researcher, "Library")
    researcher.locator("#rd-drop input[type=file]").set_input_files(note)
    row = researcher.locator("li.rd-doc", has_text=note.name)
    expect(row).to_be_visible(timeout=30_000)
    wait_for_state(researcher, note.name, "ready", seconds=120)

    researcher.once("dialog", lambda dialog: dialog.dismiss())
    row.get_by_role("button", name="Delete").click()
    researcher.wait_for_timeout(3000)
    expect(row).to_be_visible()

    researcher.once("dialog", lambda dialog: dialog.accept())
    row.get_by_role("button", name="Delete").click()
    expect(row).to_have_count(0, timeout=30_000)


def test_wrong_password_stays_outside(page: Page, stack: Stack) -> None:
    page.goto(f"{stack.url}/login")
    page.get_by_label("User").fill(stack.user)
    page.get_by_label("Password").fill("not the password at all")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_have_text("User or password is wrong.")
    take_picture(page, "login-wrong")
    page.goto(f"{stack.url}/app/")
    expect(page).to_have_url(re.compile(r"/login"))


def test_logout_ends_the_session_for_good(researcher: Page, stack: Stack) -> None:
    """Also for a copy of the cookie that someone kept."""
    kept = next(c for c in researcher.context.cookies() if c["name"] == "ragdock_session")
    assert kept["secure"]
    assert kept["httpOnly"]
    assert kept["sameSite"] == "Lax"
    researcher.get_by_role("button", name="Log out").click()
    expect(researcher).to_have_url(re.compile(r"/login"))
    researcher.context.add_cookies([kept])  # type: ignore[list-item]
    researcher.goto(f"{stack.url}/app/")
    expect(researcher).to_have_url(re.compile(r"/login"))


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    assert found, f"no {pattern!r} in {text!r}"
    return found[1]


def _answer(page: Page, question: str) -> Locator:
    """Ask a question, and return the complete answer, which must have grown on the page."""
    answers = page.locator("#rd-chat .bot.message")
    before = answers.count()
    box = page.locator("#rd-question textarea")
    box.fill(question)
    box.press("Enter")
    answer = answers.nth(before)
    seen = {answer.inner_text(timeout=60_000)}
    until = time.monotonic() + ANSWER_SECONDS
    while not answer.locator(".rd-meta").count():
        seen.add(answer.inner_text())
        assert time.monotonic() < until, f"no end of the answer after {ANSWER_SECONDS} s: {seen}"
        page.wait_for_timeout(50)
    assert len(seen) > 3, f"the answer did not grow before the eyes: {seen}"
    return answer


def _pages_cited(answer: Locator) -> set[int]:
    """Return the pages on which the answer's sources begin."""
    texts = answer.locator("details.rd-source").all_inner_texts()
    return {int(page) for text in texts for page in re.findall(r"pages? (\d+)", text)}


def _pages_with(manual: Path, pattern: str) -> set[int]:

    reader = PdfReader(manual)
    return {
        number for number, page in enumerate(reader.pages, start=1) if re.search(pattern, page.extract_text())
    }
