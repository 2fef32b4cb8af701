"""Health of the dependencies: checked rarely, with one reading shared by all visitors.

Green: everything answers. Amber: Ollama is slower than max(1500 ms, 1.5 times its recent median) or away
while a remote model writes, a configured model is missing, or the remote models cannot be reached. Red: a
dependency does not answer; it is then checked less and less often, down to once a minute, until it is back.
"""

import asyncio
import statistics
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from starlette.concurrency import run_in_threadpool

from rag_core.models import Answer, HealthReport

Light = Literal["green", "amber", "red"]

_FRESH_SECONDS = 10.0
_MOST_BACKOFF_SECONDS = 60.0
_SLOW_MS = 1500.0
_SLOW_TIMES_MEDIAN = 1.5
_REMEMBERED = 60


@dataclass(frozen=True)
class Reading:
    """One check of the dependencies."""

    report: HealthReport
    opensearch: Light
    ollama: Light
    remote: Light | None = None  # connection to remote models; None: there are none

    @property
    def light(self) -> Light:
        """The worst light of all dependencies."""
        lights = {self.opensearch, self.ollama}
        if "red" in lights:
            return "red"
        return "amber" if "amber" in lights or not all(self.report.models.values()) else "green"

    @property
    def short(self) -> str:
        """Two words at most, for a badge."""
        if self.light == "red":
            return "Index down" if self.opensearch == "red" else "Model down"
        if self.light == "green":
            return "All well"
        if not self.report.ollama.ok:
            return "Local models away"
        if self.remote == "amber":
            return "Remote models away"
        return "Slow" if self.ollama == "amber" else "Model missing"

    @property
    def words(self) -> str:
        """One sentence for people."""
        if self.opensearch == "red":
            return "The document index does not answer. Answers and searches fail until it is back."
        if self.ollama == "red":
            return "The language model does not answer. You get passages instead of written answers."
        if not self.report.ollama.ok:
            return "The models of this server do not answer. Remote ones do; words alone may be searched."
        if self.remote == "amber":
            return "Remote models do not answer. Local models stand in, and words alone may be searched."
        missing = [name for name, there in self.report.models.items() if not there]
        if missing:
            return f"A model is not installed: {', '.join(missing)}."
        if self.light == "amber":
            return "The language model is slow right now. Answers take longer than usual."
        return "Everything answers."


@dataclass
class HealthMonitor:
    """Caches readings; `check` is synchronous and may take seconds."""

    check: Callable[[], HealthReport]
    _latencies: deque[float] = field(default_factory=lambda: deque(maxlen=_REMEMBERED), init=False)
    _reading: Reading | None = field(default=None, init=False)
    _next_at: float = field(default=float("-inf"), init=False)
    _failures: int = field(default=0, init=False)
    _asking: asyncio.Lock = field(default_factory=asyncio.Lock, init=False)

    async def reading(self) -> Reading:
        """The newest reading; taken now if the last is too old. One caller checks, the others wait for it."""
        async with self._asking:
            if self._reading is None or time.monotonic() >= self._next_at:
                self._reading = self._judge(await run_in_threadpool(self.check))
                self._failures = self._failures + 1 if self._reading.light == "red" else 0
                backoff = _FRESH_SECONDS * 2 ** max(0, self._failures - 1)
                self._next_at = time.monotonic() + min(backoff, _MOST_BACKOFF_SECONDS)
            return self._reading

    def note(self, answer: Answer) -> None:
        """Let the next reading be a new one if a new answer contradicts the newest one."""
        if self._reading is None or answer.cached or answer.host is not None:
            return
        down = self._reading.ollama == "red"
        if (answer.model is not None and down) or (answer.reason == "no_model" and not down):
            self._failures = 0
            self._next_at = float("-inf")

    def _judge(self, report: HealthReport) -> Reading:
        return Reading(
            report=report,
            opensearch="green" if report.opensearch.ok else "red",
            ollama=self._light_of_ollama(report),
            remote=None if report.remote is None else "green" if report.remote.ok else "amber",
        )

    def _light_of_ollama(self, report: HealthReport) -> Light:
        if not report.ollama.ok:
            return "amber" if report.can_write else "red"
        latency = report.ollama.latency_ms or 0.0
        usual = statistics.median(self._latencies) if self._latencies else 0.0
        self._latencies.append(latency)
        return "amber" if latency > max(_SLOW_MS, _SLOW_TIMES_MEDIAN * usual) else "green"
