"""Shows which stage runs and for how long, so that no run is silent.

A play is a stage. During a long task, a line every few seconds names the task and how
long it has run. At the end, a table shows the seconds of each stage and the slowest tasks.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: progress
type: notification
short_description: Shows stage, elapsed time and a sign of life during long tasks
description:
  - Prints a line for a task that has been running for a while.
  - Prints the seconds spent in each play when the run ends.
requirements:
  - enable it in C(callbacks_enabled)
author: ["Ragdock (!UNKNOWN)"]
"""

import threading
import time
from typing import Any

from ansible.plugins.callback import CallbackBase

HEARTBEAT_SECONDS = 15.0
SLOWEST_TASKS = 3


class CallbackModule(CallbackBase):
    """Prints a heartbeat and timings; reads only names and clocks, never results."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "ragdock.host.progress"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, heartbeat_seconds: float = HEARTBEAT_SECONDS) -> None:
        super().__init__()
        self._heartbeat = heartbeat_seconds
        self._began = time.monotonic()
        self._stages: list[tuple[str, float]] = []
        self._tasks: list[tuple[str, float]] = []
        self._tasks_run = 0
        self._stage: tuple[str, float] | None = None
        self._task: tuple[str, float] | None = None
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="progress", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        said = self._began
        # Checked more often than printed, so a task that just started does not wait for two intervals.
        while not self._stop.wait(self._heartbeat / 10):
            with self._lock:
                task = self._task
            now = time.monotonic()
            if task is None or now - max(said, task[1]) < self._heartbeat:
                continue
            self._display.display(f"  ... {task[0]} ({now - task[1]:.0f} s)", color="dark gray")
            said = now

    def _end_task(self) -> None:
        with self._lock:
            if self._task is not None:
                self._tasks.append((self._task[0], time.monotonic() - self._task[1]))
            self._task = None

    def _end_stage(self) -> None:
        self._end_task()
        if self._stage is not None:
            self._stages.append((self._stage[0], time.monotonic() - self._stage[1]))
        self._stage = None

    def v2_playbook_on_play_start(self, play: Any) -> None:
        """Close the previous stage and open this one."""
        self._end_stage()
        self._stage = (play.get_name(), time.monotonic())

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Remember the task for the heartbeat."""
        del is_conditional
        self._end_task()
        with self._lock:
            self._task = (task.get_name(), time.monotonic())
        self._tasks_run += 1

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Treat a handler like any task."""
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_unreachable(self, result: Any) -> None:
        """Print what the operator can do; the message above it is SSH's."""
        if result.task.ignore_unreachable:
            return
        self._display.display(
            f"{result.host.get_name()} does not answer SSH, so this run ends here. The host keeps running. "
            "Is the host running (its state and system log in EC2)? Does it know this key "
            "(ragdock_ssh_private_key_file)? Has its Session Manager agent reported (aws ssm "
            "describe-instance-information)? Then run the same command again.",
            color="red",
        )

    def v2_playbook_on_stats(self, stats: Any) -> None:
        """Print where the time went."""
        del stats
        self._stop.set()
        self._end_stage()
        total = time.monotonic() - self._began
        self._display.banner("TIME")
        for name, seconds in self._stages:
            self._display.display(f"{seconds:8.1f} s  {name}")
        self._display.display(f"{total:8.1f} s  in all, {self._tasks_run} tasks")
        slowest = sorted(self._tasks, key=lambda task: -task[1])[:SLOWEST_TASKS]
        for name, seconds in slowest:
            if seconds >= self._heartbeat:
                self._display.display(f"{seconds:8.1f} s  of it: {name}")
