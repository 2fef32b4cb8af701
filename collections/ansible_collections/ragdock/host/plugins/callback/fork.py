"""Lets the main process do once what each task's process would do again.

A task runs in a fork of the main process. Python's garbage collector there would go through every object of a
run, and so copy all of their memory, to find nothing: a tenth of a second for each task, of two that a short
one takes. And a task that uses a filter of this collection would import all of them: another tenth.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: fork
type: notification
short_description: Makes the processes of tasks start faster
description:
  - Imports the collection's filters before the first task.
  - Before each task, excludes the existing objects from garbage collection.
requirements:
  - enable it in C(callbacks_enabled)
author: ["Ragdock (!UNKNOWN)"]
"""

import gc
import importlib
import pkgutil
from typing import Any

from ansible.plugins.callback import CallbackBase

from ansible_collections.ragdock.host.plugins import filter as filters


class CallbackModule(CallbackBase):
    """Prepares the main process before a task's process is forked from it."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "ragdock.host.fork"
    CALLBACK_NEEDS_ENABLED = True

    def v2_playbook_on_start(self, playbook: Any) -> None:
        """No task has started yet."""
        del playbook
        for found in pkgutil.iter_modules(filters.__path__, f"{filters.__name__}."):
            importlib.import_module(found.name)

    def v2_playbook_on_task_start(self, task: Any, is_conditional: bool) -> None:
        """Ansible forks after this call."""
        del task, is_conditional
        gc.freeze()

    def v2_playbook_on_handler_task_start(self, task: Any) -> None:
        """Treat a handler like any task."""
        self.v2_playbook_on_task_start(task, False)
