"""For all tests: Ctrl-C means what it means at a terminal.

What is started in the background by a shell without job control (a CI runner's, `nohup`) inherits SIGINT as
ignored, and so would every run that a test interrupts.
"""

from __future__ import annotations

import signal


def pytest_configure() -> None:
    """A handler of ours becomes the default again in each process that is started."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
