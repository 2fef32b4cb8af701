"""Makes sure that Ctrl-C ends a run.

Ansible also stops its workers, and a worker that is stopped while it passes on a result keeps the lock of the
result queue: the main process then waits for that lock forever. So the first Ctrl-C also sets a kernel alarm,
which needs no lock.
"""

from __future__ import annotations

DOCUMENTATION = r"""
name: interrupt
type: notification
short_description: Makes sure that an interrupted run ends
description:
  - Gives a run that was interrupted some seconds to tidy up, then ends it.
  - The deployment's lock that such a run leaves is recognised as dead by the next one.
requirements:
  - enable it in C(callbacks_enabled)
author: ["Ragdock (!UNKNOWN)"]
"""

import os
import signal
import sys
from typing import Any

from ansible.plugins.callback import CallbackBase

GRACE_SECONDS = 20


class CallbackModule(CallbackBase):
    """On Ctrl-C, sets an alarm that ends the run."""

    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "notification"
    CALLBACK_NAME = "ragdock.host.interrupt"
    CALLBACK_NEEDS_ENABLED = True

    def __init__(self, grace_seconds: int = GRACE_SECONDS) -> None:
        super().__init__()
        self._main = os.getpid()
        self._grace = grace_seconds
        signal.signal(signal.SIGINT, self._interrupted)

    def _interrupted(self, number: int, frame: Any) -> None:
        del number, frame
        if os.getpid() != self._main:
            # A worker that has not installed its own handler yet has not started anything.
            os._exit(1)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(self._grace)
        sys.stderr.write(
            f"\nInterrupted: the run ends within {self._grace} s. What it had started is completed or undone "
            "by the next run: start the same command again.\n"
        )
        raise KeyboardInterrupt
