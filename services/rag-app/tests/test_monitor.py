"""The health badge: reports slowness, and checks what is down less and less often."""

import asyncio
import time
from collections.abc import Iterator

import pytest

from rag_app.monitor import HealthMonitor, Reading
from rag_core.models import Answer, ComponentHealth, HealthReport


def report(
    *,
    index: bool = True,
    latency: float | None = 20.0,
    models: dict[str, bool] | None = None,
    remote: bool | None = None,
) -> HealthReport:
    return HealthReport(
        opensearch=ComponentHealth(ok=index, latency_ms=5.0 if index else None),
        ollama=ComponentHealth(ok=latency is not None, latency_ms=latency),
        models={"small": True} if models is None else models,
        remote=None if remote is None else ComponentHealth(ok=remote),
        can_write=latency is not None or bool(remote),
    )


def readings(reports: list[HealthReport]) -> list[Reading]:
    """The readings a monitor makes of successive reports, with its cache expired each time."""
    left: Iterator[HealthReport] = iter(reports)
    monitor = HealthMonitor(lambda: next(left))

    async def all_of_them() -> list[Reading]:
        seen = []
        for _ in reports:
            monitor._next_at = float("-inf")
            seen.append(await monitor.reading())
        return seen

    return asyncio.run(all_of_them())


@pytest.mark.parametrize(
    ("seen", "light", "short"),
    [
        (report(), "green", "All well"),
        (report(index=False), "red", "Index down"),
        (report(latency=None), "red", "Model down"),
        # A remote model still writes.
        (report(latency=None, remote=True), "amber", "Local models away"),
        (report(latency=None, remote=False), "red", "Model down"),
        (report(models={"small": True, "big": False}, remote=False), "amber", "Remote models away"),
        (report(models={"small": True, "large": False}), "amber", "Model missing"),
        (report(latency=1501.0), "amber", "Slow"),
        (report(latency=1499.0), "green", "All well"),
    ],
)
def test_light_of_one_look(seen: HealthReport, light: str, short: str) -> None:
    [reading] = readings([seen])
    assert (reading.light, reading.short) == (light, short)


def test_slow_means_slower_than_usual_here() -> None:
    """On a host where 2 s is usual, 2 s raises no alarm; 3.1 s does."""
    *usual, still_fine, slow = readings([report(latency=ms) for ms in [2000.0] * 9 + [2900.0, 3100.0]])
    assert [reading.light for reading in usual[1:]] == ["green"] * 8
    assert (still_fine.light, slow.light) == ("green", "amber")


def test_many_visitors_ask_once() -> None:
    asked = []
    monitor = HealthMonitor(lambda: asked.append(1) or report())  # type: ignore[func-returns-value]

    async def crowd() -> None:
        await asyncio.gather(*(monitor.reading() for _ in range(50)))

    asyncio.run(crowd())
    assert len(asked) == 1


def test_what_is_down_is_asked_less_and_less_often() -> None:
    monitor = HealthMonitor(lambda: report(index=False))

    async def pauses() -> list[float]:
        seen: list[float] = []
        for _ in range(5):
            monitor._next_at = float("-inf")
            await monitor.reading()
            seen.append(round(monitor._next_at - time.monotonic()))
        return seen

    assert asyncio.run(pauses()) == [10, 20, 40, 60, 60]


WRITTEN = Answer(answer="High.", model="small")
PASSAGES_ALONE = Answer(answer="…", degraded=True, reason="no_model")


@pytest.mark.parametrize(
    ("latency", "answer", "checks"),
    [
        (None, WRITTEN, 2),
        (20.0, PASSAGES_ALONE, 2),
        (None, PASSAGES_ALONE, 1),
        (20.0, WRITTEN, 1),
        (None, WRITTEN.model_copy(update={"cached": True}), 1),
        (None, WRITTEN.model_copy(update={"host": "models.example.org"}), 1),
        (20.0, Answer(answer="Not covered.", reason="no_relevant_passage"), 1),
    ],
)
def test_an_answer_that_contradicts_the_badge_makes_it_check_again(
    latency: float | None, answer: Answer, checks: int
) -> None:
    """After a few failures the next check would come a minute later."""
    asked: list[int] = []

    def check() -> HealthReport:
        asked.append(1)
        return report(latency=latency)

    monitor = HealthMonitor(check)

    async def visit() -> None:
        await monitor.reading()
        monitor.note(answer)
        await monitor.reading()

    asyncio.run(visit())
    assert len(asked) == checks
