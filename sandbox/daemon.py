"""Runs the host loop as a background process: one at a time, restarted when it dies."""

from __future__ import annotations

import asyncio
import fcntl
import json
import logging
import logging.handlers
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import FrameType

import psutil

from sandbox.errors import SandboxError
from sandbox.loop import Loop
from sandbox.parts import fingerprint
from sandbox.settings import Sandbox

STOP_SECONDS = 150
LOG_BYTES = 4 << 20

log = logging.getLogger(__name__)


def start(sandbox: Sandbox) -> bool:
    """Make sure that one loop with the current code is running; return True if it had to be started."""
    running = process(sandbox)
    if running is not None and _record(sandbox).get("code") == _code(sandbox):
        return False
    stop(sandbox)
    sandbox.logs.mkdir(parents=True, exist_ok=True)
    with (sandbox.logs / "loop.err").open("ab") as errors:
        started = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "loop"],
            cwd=sandbox.checkout,
            stdin=subprocess.DEVNULL,
            stdout=errors,
            stderr=errors,
            start_new_session=True,
        )
    limit = time.monotonic() + 20
    while _record(sandbox).get("pid") != str(started.pid):
        if started.poll() is not None or time.monotonic() > limit:
            tail = (sandbox.logs / "loop.err").read_text()[-2000:]
            raise SandboxError(
                "The host loop did not start.",
                f"Its last words:\n{tail}",
                "Run it in the foreground to see more: python -m sandbox loop",
            )
        time.sleep(0.1)
    return True


def stop(sandbox: Sandbox) -> bool:
    """Stop the loop after its current work; return True if one was running."""
    running = process(sandbox)
    if running is None:
        return False
    running.terminate()
    try:
        running.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        for child in [*running.children(recursive=True), running]:
            child.kill()
    return True


def process(sandbox: Sandbox) -> psutil.Process | None:
    """Return the loop's process, if it is alive and is the recorded one (a pid can be reused)."""
    record = _record(sandbox)
    try:
        found = psutil.Process(int(record["pid"]))
        same = abs(found.create_time() - float(record["started"])) < 1
    except (KeyError, ValueError, psutil.NoSuchProcess):
        return None
    return found if same and found.status() != psutil.STATUS_ZOMBIE else None


def supervise(sandbox: Sandbox) -> None:
    """Keep a loop running until stopped."""
    sandbox.state.mkdir(parents=True, exist_ok=True)
    with (sandbox.state / "loop.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SandboxError(
                "A host loop is running already.",
                f"Its record is {_file(sandbox)}.",
                "Stop it with: python -m sandbox down",
            ) from error
        me = psutil.Process()
        _file(sandbox).write_text(
            json.dumps({"pid": str(me.pid), "started": str(me.create_time()), "code": _code(sandbox)})
        )
        try:
            _supervise(sandbox)
        finally:
            _file(sandbox).unlink(missing_ok=True)


def _supervise(sandbox: Sandbox) -> None:
    stopping = False
    child: subprocess.Popen[bytes] | None = None

    def end(number: int, frame: FrameType | None) -> None:
        nonlocal stopping
        stopping = True
        if child is not None:
            child.terminate()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    while not stopping:
        began = time.monotonic()
        child = subprocess.Popen(
            [sys.executable, "-m", "sandbox", "loop", "--worker"],
            cwd=sandbox.checkout,
            stdin=subprocess.PIPE,
        )
        if stopping:
            child.terminate()
        child.wait()
        if not stopping and time.monotonic() - began < 5:
            # A loop that dies at once would die again for the same reason, so restart it less often.
            time.sleep(5)


def end_with_supervisor(stop: Callable[[], None]) -> None:
    """Call `stop` when the supervisor has ended; otherwise two workers could run at once."""

    def watch() -> None:
        # The pipe is closed when the supervisor ends; nothing is ever written to it.
        os.read(sys.stdin.fileno(), 1)
        stop()

    threading.Thread(target=watch, daemon=True).start()


def work(sandbox: Sandbox) -> None:
    """Run the loop itself, in its own process."""
    sandbox.logs.mkdir(parents=True, exist_ok=True)
    handler = logging.handlers.RotatingFileHandler(
        sandbox.logs / "loop.log", maxBytes=LOG_BYTES, backupCount=1
    )
    logging.basicConfig(
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%H:%M:%S",
        handlers=[handler],
    )
    for chatty in ("botocore", "urllib3", "docker"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    loop = Loop(sandbox)
    signal.signal(signal.SIGTERM, lambda *_: loop.stop.set())
    end_with_supervisor(loop.stop.set)
    # Ctrl-C in a terminal reaches the whole process group: let the supervisor handle it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    log.info("loop started, pid %s", os.getpid())
    asyncio.run(loop.run())
    log.info("loop ended")


def _code(sandbox: Sandbox) -> str:
    """Return a digest of the code that a loop of this checkout would run."""
    return fingerprint(sandbox.checkout / "sandbox" / "host") + "".join(
        str(path.stat().st_mtime_ns) for path in sorted((sandbox.checkout / "sandbox").glob("*.py"))
    )


def _file(sandbox: Sandbox) -> Path:
    return sandbox.state / "loop.json"


def _record(sandbox: Sandbox) -> dict[str, str]:
    try:
        return dict(json.loads(_file(sandbox).read_text()))
    except (OSError, ValueError):
        return {}
