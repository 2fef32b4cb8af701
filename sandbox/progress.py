"""Shows progress: one line per stage with its duration, never silent for long."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console

# A running stage prints a new line at this interval (seconds), because a pipe cannot show an updated one.
HEARTBEAT = 15.0


class Progress:
    """Prints stages with their duration."""

    def __init__(self) -> None:
        """Write to standard error: standard output is for values."""
        self.console = Console(file=sys.stderr, highlight=False, soft_wrap=True)
        self.began = time.monotonic()

    @contextmanager
    def stage(self, title: str) -> Iterator[Callable[[str], None]]:
        """Show one stage; yield a function that reports its current step."""
        began = time.monotonic()
        now = [title]
        done = threading.Event()

        def beat() -> None:
            while not done.wait(HEARTBEAT):
                self.console.print(f"  … {now[0]} ({time.monotonic() - began:.0f} s)", markup=False)

        def say(text: str) -> None:
            now[0] = text
            self.console.print(f"    {text}", markup=False)

        thread = threading.Thread(target=beat, daemon=True)
        thread.start()
        self.console.print(f"  {title}", markup=False)
        try:
            yield say
        except BaseException:
            self.console.print(f"  ✗ {title} ({time.monotonic() - began:.1f} s)", style="red")
            raise
        finally:
            done.set()
            thread.join()
        self.console.print(f"  ✓ {title} ({time.monotonic() - began:.1f} s)", style="green")
