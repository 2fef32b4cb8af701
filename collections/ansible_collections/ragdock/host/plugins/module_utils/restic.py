"""The encrypted repository of backups, as `restic` commands with readable failures.

The password is handed over in memory: restic reads it from a file that has no name (memfd), so it
is in no argument list, no environment and on no disk. restic signs in to S3 as the host's role.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import threading
import urllib.error
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ansible.module_utils.urls import open_url

from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import (
    UNPROVEN,
    Backup,
    parse_backup,
)

PROGRAM = "restic"
# restic removes its lock on SIGTERM, which the kernel sends when this process dies.
BOUNDED = ("setpriv", "--pdeathsig", "TERM", "ionice", "-c", "3")
PROBE_SECONDS = 60.0
ANONYMOUS_SECONDS = 10.0

# restic's message -> kind of failure. Since 0.17 exit codes 10 to 12 give it too.
CODES = {10: "absent", 11: "locked", 12: "password"}
WORDS = (
    ("password", ("wrong password", "no key found")),
    ("bucket", ("nosuchbucket", "bucket does not exist", "specified bucket does not exist")),
    ("denied", ("access denied", "accessdenied", "no credentials found", "invalidaccesskeyid", "forbidden")),
    ("space", ("no space left", "disk quota")),
    ("unreachable", ("no route to host", "connection refused", "no such host", "i/o timeout")),
    ("locked", ("already locked", "unable to create lock")),
    ("absent", ("unable to open config file", "is there a repository")),
)  # fmt: skip


class ResticError(Exception):
    """restic failed; `kind` is a word of WORDS, or stalled, incomplete or failed."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    def messages(self) -> list[dict[str, Any]]:
        """The JSON lines of its output."""
        return [found for line in self.out.splitlines() if (found := as_message(line))]


def as_message(line: str) -> dict[str, Any]:
    """One JSON line; an empty dictionary for any other."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def kind_of(code: int, text: str) -> str:
    """The kind of a failure."""
    low = text.lower()
    if code in CODES:
        return CODES[code]
    return next((kind for kind, words in WORDS if any(word in low for word in words)), "failed")


def explanation(done: Done) -> str:
    """The end of a failed command's output, without the JSON around it."""
    lines = [line.strip() for line in (done.err or done.out).splitlines() if line.strip()]
    reported = []
    for line in lines:
        message = as_message(line)
        error = message.get("error")
        reported.append(
            str(message.get("message") or (error or {}).get("message") if message else line)
            if message and (message.get("message") or isinstance(error, dict))
            else line
        )
    return " | ".join(dict.fromkeys(reported[-4:]))[:700]


def location(bucket: str, prefix: str, region: str, endpoint_url: str) -> str:
    """restic's name for a folder in a bucket."""
    server = endpoint_url.rstrip("/") or f"https://s3.{region}.amazonaws.com"
    return f"s3:{server}/{bucket}/{prefix}"


def in_s3(location: str) -> tuple[str, str, str]:
    """Split such a name into server, bucket and prefix; all empty for a repository elsewhere."""
    if not location.startswith("s3:"):
        return "", "", ""
    scheme, _unused, host, bucket, prefix = location.removeprefix("s3:").split("/", 4)
    return f"{scheme}//{host}", bucket, prefix


def bucket_is_gone(location: str) -> bool:
    """Whether S3 reports that the bucket of this repository does not exist; False for any other answer.

    restic cannot tell this from an empty bucket, since a HEAD response has no body. S3 reports it to anyone.
    """
    server, bucket, _unused = in_s3(location)
    if not server:
        return False
    try:
        open_url(f"{server}/{bucket}", timeout=ANONYMOUS_SECONDS).close()
    except urllib.error.HTTPError as error:
        return error.code == 404
    except OSError:
        return False
    return False


@dataclass(frozen=True)
class Repository:
    """One restic repository."""

    location: str
    password: str = field(repr=False)
    region: str = ""
    # On the data volume: restic's default and /tmp are on the root volume.
    cache: Path = field(kw_only=True)
    processors: int = 1
    upload_kib: int = 0
    stall_seconds: float = 300.0

    @contextlib.contextmanager
    def _started(
        self, words: Sequence[str], directory: Path | None = None, begun_with: Sequence[str] = ()
    ) -> Iterator[subprocess.Popen[str]]:
        descriptor = os.memfd_create("restic", 0)
        try:
            os.write(descriptor, self.password.encode())
            limit = ["--limit-upload", str(self.upload_kib)] if self.upload_kib else []
            self.cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            process = subprocess.Popen(
                [*BOUNDED, *begun_with, PROGRAM, *limit, *words],
                env=self.environment(descriptor),
                pass_fds=(descriptor,),
                cwd=directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                errors="replace",
            )
        finally:
            os.close(descriptor)
        with process:
            try:
                yield process
            finally:
                if process.poll() is None:
                    process.terminate()

    def environment(self, descriptor: int) -> dict[str, str]:
        """Only what restic needs: an operator's key must not replace the host's role."""
        return {
            "PATH": os.environ.get("PATH", "/usr/local/bin:/usr/bin:/bin"),
            "HOME": os.environ.get("HOME", "/root"),
            "RESTIC_REPOSITORY": self.location,
            # Opened anew for each read, so it is always read from the start.
            "RESTIC_PASSWORD_FILE": f"/proc/self/fd/{descriptor}",
            "RESTIC_CACHE_DIR": str(self.cache),
            # restic assembles packs here before it uploads them: keep them off the root volume.
            "TMPDIR": str(self.cache),
            "RESTIC_PROGRESS_FPS": "0.5",
            "GOMAXPROCS": str(self.processors),
        } | ({"AWS_DEFAULT_REGION": self.region} if self.region else {})

    def run(
        self,
        *words: str,
        seconds: float | None = None,
        good: Sequence[int] = (0,),
        directory: Path | None = None,
    ) -> Done:
        """Run a command to completion."""
        with self._started(words, directory) as process:
            try:
                out, err = process.communicate(timeout=seconds)
            except subprocess.TimeoutExpired:
                process.terminate()
                out, err = process.communicate()
                message = (
                    f"restic {words[0]} did not end within {seconds:.0f} s: {explanation(Done(-1, out, err))}"
                )
                raise ResticError(kind_of(-1, err + out).replace("failed", "unreachable"), message) from None
        done = Done(process.returncode, out, err)
        return self.judged(words, done, good)

    @staticmethod
    def judged(words: Sequence[str], done: Done, good: Sequence[int] = (0,)) -> Done:
        """Return a finished command; raise ResticError if its exit code is not in GOOD."""
        if done.code not in good:
            kind = "incomplete" if done.code == 3 else kind_of(done.code, done.err + done.out)
            raise ResticError(kind, f"restic {words[0]} ended with {done.code}: {explanation(done)}")
        return done

    def watched(
        self,
        *words: str,
        done_so_far: Callable[[dict[str, Any]], float],
        begun_with: Sequence[str] = (),
    ) -> list[dict[str, Any]]:
        """Run a long command with --json and return its messages.

        Ends it after `stall_seconds` without progress: restic itself would retry a dead connection for a
        quarter of an hour, for one file after another.
        """
        kept: list[dict[str, Any]] = []
        best, stalled = -1.0, threading.Event()
        with self._started([*words, "--json"], begun_with=begun_with) as process:

            def stop() -> None:
                stalled.set()
                process.terminate()

            errors: list[str] = []
            if process.stdout is None or process.stderr is None:
                raise AssertionError("both are pipes")
            # Read in a thread: a full pipe would stop restic.
            reader = threading.Thread(target=lambda: errors.extend(process.stderr or ()), daemon=True)
            reader.start()
            timer = threading.Timer(self.stall_seconds, stop)
            timer.start()
            for line in process.stdout:
                message = as_message(line)
                if message.get("message_type") != "status":
                    kept.append(message or {"message_type": "text", "text": line})
                progress = done_so_far(message)
                if progress > best:
                    best = progress
                    timer.cancel()
                    timer = threading.Timer(self.stall_seconds, stop)
                    timer.start()
            process.wait()
            timer.cancel()
            reader.join()
        err = "".join(errors)
        if stalled.is_set():
            raise ResticError(
                "stalled",
                f"restic {words[0]} made no progress for {self.stall_seconds:.0f} s: "
                f"{explanation(Done(process.returncode, '', err)) or 'without output'}",
            )
        self.judged(words, Done(process.returncode, "\n".join(map(json.dumps, kept)), err), (0,))
        return kept

    def exists(self) -> bool:
        """Whether there is a repository that this password opens."""
        try:
            self.run("cat", "config", "--no-lock", seconds=PROBE_SECONDS)
        except ResticError as error:
            if error.kind == "absent":
                return False
            raise
        return True

    def version(self) -> str:
        """The version of restic."""
        return (self.run("version").out.split() or ["", ""])[1]

    def init(self) -> None:
        """Make the repository."""
        self.run("init", seconds=PROBE_SECONDS)

    def unlock(self) -> None:
        """Remove locks whose holder has ended; those of a running restic stay."""
        self.run("unlock", seconds=PROBE_SECONDS)

    def _keys(self) -> list[dict[str, Any]]:
        found = json.loads(self.run("key", "list", "--json", "--no-lock", seconds=PROBE_SECONDS).out)
        return [dict(one) for one in found]

    def key(self) -> str:
        """The key that our password opens."""
        return next(str(one["id"]) for one in self._keys() if one.get("current"))

    def key_ids(self) -> list[str]:
        """All keys: each is a password that opens the repository."""
        return [str(one["id"]) for one in self._keys()]

    def add_key(self, password: str) -> None:
        """Add a password that also opens the repository; it is passed in memory, like ours."""
        descriptor = os.memfd_create("restic-new", 0)
        try:
            os.write(descriptor, password.encode())
            given = f"/proc/{os.getpid()}/fd/{descriptor}"
            self.run("key", "add", "--new-password-file", given, seconds=PROBE_SECONDS)
        finally:
            os.close(descriptor)

    def uploads(self) -> list[Backup]:
        """All our snapshots, oldest first, including those that do not count; others' are left out."""
        done = self.run("snapshots", "--json", "--no-lock")
        listed = (parse_backup(one) for one in json.loads(done.out) or [])
        return sorted((one for one in listed if one), key=lambda one: (one.time, one.id))

    def backups(self) -> list[Backup]:
        """Every snapshot that counts as a backup, oldest first."""
        return [one for one in self.uploads() if one.counts]

    def count(self, snapshot: str, name: str) -> str:
        """Mark a compared upload as a backup; return its id, which restic changes together with the tags."""
        self.run("tag", "--remove", UNPROVEN, snapshot)
        found = [one.snapshot for one in self.backups() if one.id == name]
        if len(found) != 1:
            raise ResticError("failed", f"restic lists {len(found)} backups named {name} after it was tagged")
        return str(found[0])

    def files(self, snapshot: str) -> dict[str, int]:
        """Path -> size of every file in a snapshot."""
        listed = self.run("ls", "--json", "--no-lock", snapshot).messages()
        return {one["path"]: int(one.get("size", 0)) for one in listed if one.get("type") == "file"}

    def read(self, snapshot: str, path: str) -> str:
        """The text of one file of a snapshot."""
        return self.run("dump", "--no-lock", snapshot, path).out

    def restore(self, snapshot: str, target: Path, paths: Sequence[str] = ()) -> None:
        """Restore a snapshot, or some of its paths, below a directory. Every restored byte is verified."""
        include = [word for path in paths for word in ("--include", path)]
        self.watched(
            *("restore", snapshot, "--target", str(target), "--verify", *include),
            done_so_far=lambda message: float(
                message.get("bytes_restored") or message.get("seconds_elapsed") or 0
            ),
        )
