"""Measure how long answers take with 1, 4 and 16 people asking at once, through the public endpoint.

    make bench BENCH=latency [ARGS="1 4 16"]

    make bench BENCH=latency ARGS=follow-ups

Needs a deployed sandbox. Uploads a manual of over 100 pages, asks questions about it and streams the answers
while copies of the manual are ingested one after another, then deletes everything it uploaded. A client that
is refused with Retry-After waits that long and retries. The table is followed by its rows for
docs/develop/benchmarks.md.

Before that (and nothing else, with `follow-ups`), one person has a conversation on the quiet host: how much
of each prompt the model had to read, and how long that took. Ollama counts the whole prompt even if a part is
cached, so the tokens read are those that rag-app logs: the part after the beginning that the prompt shares
with the one before. The seconds are Ollama's own.
"""

from __future__ import annotations

import json
import math
import statistics
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus

from bench.measuring import Figure, console, machine, show
from bench.measuring.containers import Memory, read_usage
from tests.stack import papers
from tests.stack.endpoint import ApiClient, Endpoint, Json, asking, events, value
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

# Asked one after the other, each with the turns before it. Several, because an answer that is cut because the
# model repeats itself has no figures.
CONVERSATIONS = (
    (
        "How do I read a table from a file?",
        "And how do I skip lines of the file with read.table?",
        "And how are missing values written in such a file?",
    ),
    (
        "What is a factor?",
        "And how are the levels of a factor found?",
        "And how do I make a factor from a vector?",
    ),
    (
        "How is a function defined?",
        "And how do I give its arguments default values?",
        "And how do I stop a function with an error?",
    ),
    (
        "How do I draw a histogram?",
        "And how do I add a title to the plot?",
        "And how is the plot written to a file?",
    ),
    (
        "What does solve(A, b) compute?",
        "And how is the inverse of a matrix computed?",
        "And what are the eigenvalues of a matrix?",
    ),
)


@dataclass
class Heard:
    """One answer: seconds to its first cited line, first word and end (0: none), and its prompt's tokens."""

    quoted: float = 0.0
    first: float = 0.0
    whole: float = 0.0
    tokens: int = 0


@dataclass
class Seen:
    """Seconds to the first cited line, the first word and the last word; `away` counts refusals (503)."""

    quoted: list[float] = field(default_factory=list)  # of the answers that cite a line at all
    first: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # of the prompts, as the model counted them
    away: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, one: Heard) -> None:
        """Add one answer."""
        with self.lock:
            self.whole.append(one.whole)
            self.first.append(one.first or one.whole)
            if one.quoted:
                self.quoted.append(one.quoted)
            if one.tokens:
                self.tokens.append(one.tokens)


def heard(answer: Iterable[tuple[str, Json]], since: Callable[[], float]) -> Heard:
    """Read an answer's events to their end; `since` returns the seconds since its question."""
    one = Heard()
    for event, data in answer:
        if event == "error":
            raise SystemExit("an answer ended in an error; the app's log says which")
        # A search may find nothing to quote; then the sources below the answer are the first cited lines.
        cited = {"retrieved": "quotes", "done": "citations"}.get(event)
        if cited and data[cited] and not one.quoted:
            one.quoted = since()
        if event == "token" and not one.first:
            one.first = since()
        if event == "done":
            one.whole, one.tokens = since(), (data["tokens"] or {}).get("prompt", 0)
    return one


def one_person(endpoint: Endpoint, number: int, times: int, seen: Seen, until: float) -> None:
    """Ask `times` questions, reading each answer to its end before asking the next."""
    with endpoint.client(seconds=LONGEST_SECONDS) as http:
        for turn in range(times):
            body = asking(QUESTIONS[(number + turn) % len(QUESTIONS)])
            began = time.monotonic()
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
                    seen.add(heard(events(reply.iter_lines()), partial(_since, began)))
                break


def _since(began: float) -> float:
    return time.monotonic() - began


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


def prompt_read(host: Host, since: str) -> Json | None:
    """Return what rag-app has logged about the latest prompt since a time of the host's clock."""
    logs = [host.shell(f"docker logs --since {since} {one} 2>&1") for one in host.ids("rag-app")]
    lines = [line for log in logs for line in log.splitlines() if '"prompt read"' in line]
    found: Json | None = json.loads(lines[-1]) if lines else None
    return found


def follow_ups(endpoint: Endpoint, host: Host) -> list[Figure]:
    """Hold a few conversations; for each turn, measure how much of its prompt was read and for how long."""
    turns: tuple[list[Json], ...] = ([], [], [])
    api = ApiClient(endpoint)
    with api.http:
        for conversation in CONVERSATIONS:
            history: list[dict[str, str]] = []
            for turn, question in zip(turns, conversation, strict=True):
                since = host.shell("date +%s.%N").strip()
                reply = api.http.post("/api/ask", json=asking(question) | {"history": history})
                reply.raise_for_status()
                history.append({"question": question, "answer": reply.json()["answer"]})
                if found := prompt_read(host, since):
                    turn.append(found)
    if not any(turns):
        raise SystemExit("no answer of any conversation has times; rag-app's log says why ('answer cut')")
    names = ("first question", "follow-up", "second follow-up")
    figures: list[Figure] = []
    for name, turn in zip(names, turns, strict=True):
        if not turn:  # the small model repeats itself most of all in long conversations
            console.print(f"{name}: no answer has times; rag-app's log says why ('answer cut')")
            continue
        whole, read, seconds = (
            statistics.median(one[key] for one in turn)
            for key in ("prompt_tokens", "read_tokens", "read_seconds")
        )
        base = figures[0].value if figures else None
        note = f"{read:.0f} of {whole:.0f} tokens"
        figures.append(Figure(f"{name}: its prompt read, p50", seconds, "s", base, note=note))
    return figures


def rows(crowds: dict[int, Seen]) -> list[str]:
    """Return the rows of the table in docs/develop/benchmarks.md."""
    return [
        f"| {people} | "
        + " | ".join(
            f"{p50(values):.2f} s, {p95(values):.2f} s" for values in (seen.quoted, seen.first, seen.whole)
        )
        + f" | {statistics.median(seen.tokens or [0]):.0f} |"
        for people, seen in crowds.items()
    ]


def p50(values: list[float]) -> float:
    """The median; not a number if there are no values."""
    return statistics.median(values or [math.nan])


def p95(values: list[float]) -> float:
    """The 95th percentile; not a number if there are too few values."""
    return statistics.quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else math.nan


def crowds(endpoint: Endpoint, host: Host, users: list[int]) -> list[Figure]:
    """Measure each size of crowd while documents are ingested, and print the rows for the documentation."""
    figures: list[Figure] = []
    seen_of: dict[int, Seen] = {}
    alone: dict[str, float] = {}
    with Memory(partial(read_usage, host.run)) as memory, ingesting(endpoint):
        for people in users:
            seen_of[people] = seen = crowd(endpoint, people)
            figures += figures_of(people, seen, alone)
    console.print("people | first cited line, p50, p95 | first word | whole answer | tokens of the prompt")
    console.print("\n".join(rows(seen_of)))
    return figures + memory.figures()


def figures_of(people: int, seen: Seen, alone: dict[str, float]) -> list[Figure]:
    """Return the figures of one crowd; `alone` keeps those of the first as the base of the others."""
    figures: list[Figure] = []
    times = {"first cited line": seen.quoted, "first word": seen.first, "whole answer": seen.whole}
    for what, values in times.items():
        for name, measured in (("p50", p50(values)), ("p95", p95(values))):
            base = alone.setdefault(f"{what} {name}", measured)
            notes = [f"{seen.away} times sent away"] if name == "p95" and seen.away else []
            if without := len(seen.whole) - len(values):
                notes.append(f"{without} of {len(seen.whole)} answers cite none")
            figures.append(
                Figure(f"{people} at once: {what}, {name}", measured, "s", base, note="; ".join(notes))
            )
    tokens = statistics.median(seen.tokens or [0])
    return [*figures, Figure(f"{people} at once: tokens of the prompt, p50", tokens, "")]


def main(users: list[int]) -> None:
    """Measure and show."""
    about = machine()
    endpoint = Endpoint(value("url").rstrip("/"), value("token"), value("ca"))
    host = Host(value("name"))
    with manual_ready(endpoint):
        figures = follow_ups(endpoint, host)
        if users:
            figures += crowds(endpoint, host, users)
    show("latency", "Answers with many people asking (ratio to one person)", figures, about)


if __name__ == "__main__":
    words = sys.argv[1:]
    main([] if words == ["follow-ups"] else [int(word) for word in words] or list(USERS))
