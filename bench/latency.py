"""Measure how long answers take with 1, 4 and 16 people asking at once, through the public endpoint.

    make bench BENCH=latency [ARGS="1 4 16"]

Needs a deployed sandbox. Uploads a manual of over 100 pages, asks questions about it and streams the answers
while copies of the manual are ingested one after another, then deletes everything it uploaded. A client that
is refused with Retry-After waits that long and retries. The table is followed by its rows for
docs/develop/benchmarks.md.
"""

from __future__ import annotations

import json
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

from bench.measuring import Figure, console, machine, show
from bench.measuring.containers import Memory, read_usage
from tests.stack import papers
from tests.stack.endpoint import ApiClient, Endpoint, asking, value
from tests.stack.host import Host

USERS = (1, 4, 16)
# Answers measured per crowd size, however many people ask at once.
ANSWERS = 16
LONGEST_SECONDS = 900.0
UNDER_WAY = ("queued", "processing")
QUESTIONS = (
    "How do I read a table from a file?",
    "What does solve(A, b) compute?",
    "How are missing values written?",
    "How can a list be given names?",
    "What does the function tapply do?",
    "How do I draw a histogram?",
    "How is a function defined?",
    "What is a factor?",
)


@dataclass
class Seen:
    """Seconds to the first cited line, the first word and the last word; `away` counts refusals (503)."""

    quoted: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # of the prompts, as the model counted them
    away: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def one_person(endpoint: Endpoint, number: int, times: int, seen: Seen, until: float) -> None:
    """Ask `times` questions, reading each answer to its end before asking the next."""
    with endpoint.client(seconds=LONGEST_SECONDS) as http:
        for turn in range(times):
            body = asking(QUESTIONS[(number + turn) % len(QUESTIONS)])
            began, quoted, first, tokens = time.monotonic(), 0.0, 0.0, 0
            while time.monotonic() < until:
                headers = {"Accept": "text/event-stream"}
                with http.stream("POST", "/api/ask", json=body, headers=headers) as reply:
                    if reply.status_code == HTTPStatus.SERVICE_UNAVAILABLE:
                        reply.read()
                        with seen.lock:
                            seen.away += 1
                        time.sleep(float(reply.headers["Retry-After"]))
                        continue
                    reply.raise_for_status()
                    event = ""
                    for line in reply.iter_lines():
                        if event == "done" and line.startswith("data:"):
                            told = json.loads(line.removeprefix("data:"))["tokens"]
                            tokens = told["prompt"] if told else 0
                            break
                        event = line.removeprefix("event:").strip() if line.startswith("event:") else ""
                        if event == "retrieved" and not quoted:
                            quoted = time.monotonic() - began
                        if event == "token" and not first:
                            first = time.monotonic() - began
                        if event == "error":
                            raise SystemExit("an answer ended in an error; the app's log says which")
                break
            with seen.lock:
                seen.whole.append(time.monotonic() - began)
                seen.quoted.append(quoted)
                seen.first.append(first or seen.whole[-1])
                if tokens:
                    seen.tokens.append(tokens)


def crowd(endpoint: Endpoint, people: int) -> Seen:
    """Let `people` clients ask at the same time."""
    seen, until = Seen(), time.monotonic() + LONGEST_SECONDS
    each = max(1, ANSWERS // people)
    threads = [
        threading.Thread(target=one_person, args=(endpoint, n, each, seen, until)) for n in range(people)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(seen.whole) != people * each:
        raise SystemExit(f"{people * each - len(seen.whole)} questions of {people} people were not answered")
    return seen


@contextmanager
def ingesting(endpoint: Endpoint) -> Iterator[None]:
    """Keep the worker busy inside the block with copies of the manual, one after another."""
    stop, faults = threading.Event(), []

    def bring() -> None:
        api = ApiClient(endpoint)
        number = 0
        try:
            while not stop.is_set():
                number += 1
                name = f"R-intro-{number}.pdf"
                one = api.brought(name, papers.as_another(papers.manual()))
                while not stop.wait(2) and api.document(one)["state"] in UNDER_WAY:
                    pass
                api.delete(one)
        except Exception as error:  # noqa: BLE001 - raised again below, in the thread that measures
            faults.append(error)
        finally:
            api.http.close()

    thread = threading.Thread(target=bring)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    if faults:
        raise faults[0]


@contextmanager
def manual_ready(endpoint: Endpoint) -> Iterator[None]:
    """Upload a manual of over 100 pages and load the models; delete the manual afterwards."""
    api = ApiClient(endpoint)
    manual = api.brought("R-intro.pdf", papers.as_another(papers.manual()))
    try:
        api.ready(manual, LONGEST_SECONDS)
        api.ask(QUESTIONS[0])
        yield
    finally:
        api.delete(manual)
        api.http.close()


def rows(crowds: dict[int, Seen]) -> list[str]:
    """Return the rows of the table in docs/develop/benchmarks.md."""
    return [
        f"| {people} | "
        + " | ".join(
            f"{statistics.median(values):.2f} s, {p95(values):.2f} s"
            for values in (seen.quoted, seen.first, seen.whole)
        )
        + f" | {statistics.median(seen.tokens or [0]):.0f} |"
        for people, seen in crowds.items()
    ]


def p95(values: list[float]) -> float:
    """The 95th percentile."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1]


def main(users: list[int]) -> None:
    """Measure and show."""
    about = machine()
    endpoint = Endpoint(value("url").rstrip("/"), value("token"), value("ca"))
    figures: list[Figure] = []
    with manual_ready(endpoint):
        crowds: dict[int, Seen] = {}
        with Memory(partial(read_usage, Host(value("name")).run)) as memory, ingesting(endpoint):
            alone: dict[str, float] = {}
            for people in users:
                crowds[people] = seen = crowd(endpoint, people)
                measured_of = {
                    "first cited line": seen.quoted,
                    "first word": seen.first,
                    "whole answer": seen.whole,
                }
                for what, values in measured_of.items():
                    for name, measured in (("p50", statistics.median(values)), ("p95", p95(values))):
                        base = alone.setdefault(f"{what} {name}", measured)
                        note = f"{seen.away} times sent away" if name == "p95" and seen.away else ""
                        figures.append(
                            Figure(f"{people} at once: {what}, {name}", measured, "s", base, note=note)
                        )
                tokens = statistics.median(seen.tokens or [0])
                figures.append(Figure(f"{people} at once: tokens of the prompt, p50", tokens, ""))
    figures += memory.figures()
    show("latency", "Answers with many people asking (ratio to one person)", figures, about)
    console.print("people | first cited line, p50, p95 | first word | whole answer | tokens of the prompt")
    console.print("\n".join(rows(crowds)))


if __name__ == "__main__":
    main([int(word) for word in sys.argv[1:]] or list(USERS))
