"""Runs apt-get without prompts, waits for another apt, and retries updates."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence

Run = Callable[[Sequence[str]], tuple[int, str]]
# apt waits for dpkg's locks by itself, but not for those of the package lists and the archive.
HELD = "Could not get lock"
PAUSE_SECONDS = 5.0
UPDATES = 3


class AptError(RuntimeError):
    """apt-get failed. The text has its last lines and says what to do."""


def _run(argv: Sequence[str]) -> tuple[int, str]:
    """Run a command; return its exit code and error output, or its output if there are no errors."""
    done = subprocess.run(
        argv,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"},
    )
    return done.returncode, done.stderr or done.stdout


def apt_get(
    words: Sequence[str], lock_timeout: float, run: Run = _run, pause: Callable[[float], None] = time.sleep
) -> None:
    """Run apt-get; wait up to LOCK_TIMEOUT seconds while another apt runs."""
    options = ["-o", f"DPkg::Lock::Timeout={lock_timeout:.0f}", "-o", "Acquire::Retries=3"]
    options += ["-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold"]
    end = time.monotonic() + lock_timeout
    while True:
        code, said = run(["apt-get", "--quiet=2", *options, *words])
        if code == 0:
            return
        held = HELD in said
        if not held or time.monotonic() >= end:
            break
        pause(PAUSE_SECONDS)
    last = "\n".join(said.strip().splitlines()[-8:])
    shown = " ".join(words[:4]) + (" ..." if len(words) > 4 else "")
    raise AptError(
        f"`apt-get {shown}` ended with {code}:\n{last}\n"
        + (
            f"Another apt process has been running for {lock_timeout:.0f} s: the lines name its process. "
            "When it has ended, run again."
            if held
            else "The host may have no way to Debian's mirrors, or a full disk. Run the command on the host "
            "to see it, correct the cause, then run again."
        )
    )


def update(lock_timeout: float, run: Run = _run, pause: Callable[[float], None] = time.sleep) -> None:
    """Fetch the package lists; try again if a mirror does not answer."""
    for left in reversed(range(UPDATES)):
        try:
            # Without it, apt reports success even if it fetched nothing.
            return apt_get(["update", "--error-on=any"], lock_timeout, run, pause)
        except AptError as error:
            if not left or HELD in str(error):
                raise
        pause(PAUSE_SECONDS)
