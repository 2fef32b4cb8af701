"""Measure when the first cited line is on the page in Chromium, for one person and for one of sixteen.

    make bench BENCH=page [ARGS="1 16"]

Needs a deployed sandbox. The page itself measures the time: from the key press that sends the question until
the quote is painted. The others ask through the API and read their whole answers; copies of a manual are
ingested meanwhile. The browser shares the processors with the stack, so it slows the stack down.
"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from contextlib import closing

from playwright.sync_api import Browser

from bench.latency import LONGEST_SECONDS, QUESTIONS, Seen, ingesting, manual_ready, one_person
from bench.measuring import Figure, machine, show
from tests.browser.conftest import open_tab
from tests.browser.test_ask import ask
from tests.browser.visitor import Stack, chromium, deployed, sign_in, visitor
from tests.stack import papers
from tests.stack.endpoint import Endpoint, value

PEOPLE = (1, 16)
TURNS = 4
AIM = "< 1 s"
CLOCK = """() => {
  window.asked = window.painted = null;
  document.addEventListener("keydown", (event) => {
    if (event.key === "Enter") window.asked = performance.now();
  }, true);
  new MutationObserver(() => {
    if (document.querySelector("#rd-chat .rd-quote"))
      requestAnimationFrame(() => { window.painted ??= performance.now(); });
  }).observe(document.body, { subtree: true, childList: true });
}"""


def turn(browser: Browser, stack: Stack, endpoint: Endpoint, others: int, number: int) -> float:
    """Return the seconds until a new visitor sees a quote while `others` clients ask through the API."""
    until = time.monotonic() + LONGEST_SECONDS
    threads = [
        threading.Thread(target=one_person, args=(endpoint, number + place, 1, Seen(), until))
        for place in range(1, others + 1)
    ]
    # A random word makes the question new: a cached answer would come without a search.
    question = f"{QUESTIONS[number % len(QUESTIONS)]} {papers.word()}"
    with closing(visitor(browser, stack)) as context:
        page = context.new_page()
        sign_in(page, stack)
        open_tab(page, "Ask")
        page.evaluate(CLOCK)
        for thread in threads:
            thread.start()
        ask(page, question, wait=False)
        page.wait_for_function("window.painted !== null", timeout=LONGEST_SECONDS * 1000)
        seconds = float(page.evaluate("window.painted - window.asked")) / 1000
    for thread in threads:
        thread.join()
    return seconds


def main(people: list[int]) -> None:
    """Measure and show."""
    about, stack = machine(), deployed()
    endpoint = Endpoint(stack.url, value("token"), stack.ca)
    figures: list[Figure] = []
    with manual_ready(endpoint), chromium(stack) as browser, ingesting(endpoint):
        for crowd in people:
            seen = [turn(browser, stack, endpoint, crowd - 1, number) for number in range(TURNS)]
            figures.append(Figure(f"{crowd} at once: median", statistics.median(seen), "s", aim=AIM))
            figures.append(Figure(f"{crowd} at once: slowest of {TURNS}", max(seen), "s", aim=AIM))
    show("page", "The first cited line on the page", figures, about)


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(PEOPLE))
