"""Make Ctrl-C work in all tests as it does at a terminal.

A process that a shell without job control starts in the background (a CI runner's, `nohup`) inherits SIGINT
as ignored, and so would every run that a test interrupts.
"""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """Install a SIGINT handler, which the processes that a test starts reset to the default."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
