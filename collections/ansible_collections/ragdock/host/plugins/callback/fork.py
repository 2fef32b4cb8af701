"""Keeps Python's garbage collector from searching, in each task's process, what the main process had made.

A task runs in a fork of the main process. The collector there would go through every object of a run, and so
copy all of their memory, to find nothing: a tenth of a second for each task, of two that a short one takes.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: fork
type: notification
short_description: Makes the processes of tasks start faster
description:
  - Before each task, excludes the existing objects from garbage collection.
requirements:
  - enable it in C(callbacks_enabled)
author: ["Ragdock (!UNKNOWN)"]
"""

import gc
from typing import Any

from ansible.plugins.callback import CallbackBase


class CallbackModule(CallbackBase):
    """Freezes the main process's objects before a task's process is forked from it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "ragdock.host.fork"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Ansible forks after this call."""
        del task, is_conditional
        gc.freeze()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Treat a handler like any task."""
        self.v2_playbook_on_task_start(task, False)
