"""Runs builds and pushes: output goes to a log, time without progress is limited, a stall is retried."""

from __future__ import annotations

import os
import subprocess
import tempfile
import time
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.images.build import BuildError

# A build that prints nothing for this long has stalled: it is ended and retried, with ATTEMPTS in all.
SILENCE_SECONDS = 400.0
ATTEMPTS = 3
POLL_SECONDS = 0.1
# A push takes at most ten minutes, and a second for each half megabyte.
PUSH_SECONDS = 600.0
PUSH_BYTES_A_SECOND = 500_000


def push_seconds(size: int) -> float:
    """Seconds that the push of an image of this size may take."""
    return PUSH_SECONDS + size / PUSH_BYTES_A_SECOND


def run(words: list[str], log: Path, timeout: float, *, environment: dict[str, str] | None = None) -> int:
    """Run a docker command and append its output to a log file."""
    return _run(words, log, timeout, timeout, b"", environment)


def run_build(words: list[str], log: Path, timeout: float, *, stdin: bytes = b"") -> int:
    """Run a build and retry it when it stalls, for example on a download without an answer."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return _run(words, log, timeout, SILENCE_SECONDS, stdin, buildkit())
        except StalledError:
            with log.open("a") as out:
                out.write(f"No output for {SILENCE_SECONDS:.0f} s: attempt {attempt} of {ATTEMPTS} ended\n")
    raise BuildError(
        f"The build made no progress for {SILENCE_SECONDS:.0f} s, {ATTEMPTS} times. Is this machine's "
        f"network slow or cut? What is finished is kept: run the same command again. Log: {log}. "
        f"It ends with:\n{tail(log)}"
    )


class StalledError(Exception):
    """A command printed nothing for too long."""


def _run(
    words: list[str],
    log: Path,
    timeout: float,
    silence: float,
    stdin: bytes,
    environment: dict[str, str] | None,
) -> int:
    with log.open("ab") as out, tempfile.TemporaryFile() as given:
        given.write(stdin)
        given.seek(0)
        out.write(f"$ docker {' '.join(words)}\n".encode())
        out.flush()
        try:
            process = subprocess.Popen(
                ["docker", *words], stdin=given, stdout=out, stderr=subprocess.STDOUT, env=environment
            )
        except FileNotFoundError as error:
            raise BuildError("There is no `docker` on this machine. `make deps` installs it.") from error
        began = grew = time.monotonic()
        size = 0
        try:
            while process.poll() is None:
                time.sleep(POLL_SECONDS)
                now, at = log.stat().st_size, time.monotonic()
                size, grew = (now, at) if now != size else (size, grew)
                if at - began > timeout:
                    raise BuildError(f"`docker {words[0]}` did not end in {timeout:.0f} s. Its log: {log}")
                if at - grew > silence:
                    raise StalledError
        finally:
            process.kill()
            process.wait()
        return process.returncode


def tail(log: Path, count: int = 15) -> str:
    """The last lines of a log, for a message."""
    return "\n".join(log.read_text(errors="replace").strip().splitlines()[-count:])


def buildkit() -> dict[str, str]:
    """The environment of a build: the operator's own, so that their logins for base images count."""
    return {**os.environ, "DOCKER_BUILDKIT": "1"}
