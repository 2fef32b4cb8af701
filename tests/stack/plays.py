"""Playbooks, run as an operator runs them, from this checkout or from a changed copy of it."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.stack.endpoint import CHECKOUT

INVENTORY = os.environ.get("RAGDOCK_INVENTORY", "inventory/sandbox")
# Extra arguments for each run, such as -e @settings.yml of another deployment in the same inventory.
ARGUMENTS = shlex.split(os.environ.get("RAGDOCK_ARGUMENTS", ""))
LONGEST = 900.0
RECAP = re.compile(r"^\S+\s+: ok=\d+\s+changed=(\d+)\s+unreachable=(\d+)\s+failed=(\d+)", re.MULTILINE)
# What a copy shares with its original: access to the host, the models' files.
SHARED = (".ragdock", ".sandbox", ".venv")


@dataclass(frozen=True)
class Outcome:
    """How a run ended."""

    code: int
    output: str
    seconds: float

    @property
    def changed(self) -> int:
        """The number of tasks that changed something, on all hosts."""
        return sum(int(found.group(1)) for found in RECAP.finditer(self.output))

    def good(self) -> Outcome:
        """Assert that the run succeeded."""
        assert self.code == 0, self.tail()
        return self

    def refused(self, *words: str) -> Outcome:
        """Assert that the run failed with a message that contains these words, and without a traceback."""
        assert self.code != 0, self.tail()
        message = " ".join(self.output.split())
        missing = [word for word in words if word.lower() not in message.lower()]
        assert not missing, f"not in the output: {missing}\n{self.tail()}"
        assert "Traceback (most recent call last)" not in self.output, self.tail()
        return self

    def tail(self) -> str:
        """The end of the output."""
        return "\n".join(self.output.splitlines()[-80:])


class Run:
    """A playbook in its own process group, so that it can be interrupted as at a terminal."""

    def __init__(self, checkout: Path, playbook: str, *arguments: str) -> None:
        # No colours and no buffering: tests match the plain lines that an operator sees, as they are printed.
        environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "PYTHONUNBUFFERED": "1"}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        self._began = time.monotonic()
        self._read: list[str] = []
        self.process = subprocess.Popen(
            ["ansible-playbook", "-i", INVENTORY, playbook, *ARGUMENTS, *arguments],
            cwd=checkout,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            text=True,
            env=environment,
            start_new_session=True,
        )

    def until(self, good: Callable[[str], bool]) -> None:
        """Read the output until a line meets a condition."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._read.append(line)
            if good(line):
                return
        raise AssertionError(f"the run ended before\n{''.join(self._read[-60:])}")

    def send(self, number: signal.Signals) -> None:
        """Signal the whole group: Ctrl-C as at a terminal, and a kill so that no process can clean up."""
        os.killpg(self.process.pid, number)

    def end(self, seconds: float = LONGEST) -> Outcome:
        """Wait for the end of the run; kill it after a timeout."""
        try:
            rest, _ = self.process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            rest, _ = self.process.communicate()
            rest += f"\n(killed by the test after {seconds:.0f} s)"
        return Outcome(self.process.returncode, "".join(self._read) + rest, time.monotonic() - self._began)


def play(playbook: str, *arguments: str, checkout: Path = CHECKOUT, seconds: float = LONGEST) -> Outcome:
    """Run a playbook to its end."""
    return Run(checkout, playbook, *arguments).end(seconds)


def beside(name: str, second_octet: int) -> tuple[str, ...]:
    """Return arguments for a new deployment in a network of its own, beside the existing one."""
    network = f"10.{second_octet}"
    settings = {"name": name, "vpc_cidr": f"{network}.0.0/16", "subnet_cidr": f"{network}.1.0/24"}
    return tuple(word for key, one in settings.items() for word in ("-e", f"ragdock_{key}={one}"))


def copy_of_checkout(where: Path) -> Path:
    """Copy all files that git tracks or would add, and link the original's state directories."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=CHECKOUT, capture_output=True, check=True,
    ).stdout  # fmt: skip
    subprocess.run(
        ["tar", "--create", "--null", "--files-from=-", "--ignore-failed-read", f"--file={where}/all.tar"],
        cwd=CHECKOUT, input=listed, capture_output=True, check=True,
    )  # fmt: skip
    copy = where / "checkout"
    copy.mkdir()
    subprocess.run(["tar", "--extract", "--file", str(where / "all.tar")], cwd=copy, check=True)
    (where / "all.tar").unlink()
    # A release records the git revision it was made from, so the copy needs a commit.
    git = ["git", "-c", "user.name=tests", "-c", "user.email=tests@localhost", "-c", "commit.gpgsign=false"]
    for words in (
        ["init", "--quiet"],
        ["add", "--all"],
        ["commit", "--quiet", "--no-verify", "--message", "copy"],
    ):
        subprocess.run([*git, *words], cwd=copy, check=True, capture_output=True)
    for name in SHARED:
        if (CHECKOUT / name).exists() and not (copy / name).exists():
            (copy / name).symlink_to(CHECKOUT / name)
    return copy


def edit(checkout: Path, path: str, change: Callable[[str], str]) -> None:
    """Change one file of a copy."""
    assert checkout != CHECKOUT, "tests never edit the checkout itself"
    file = checkout / path
    before = file.read_text()
    after = change(before)
    assert after != before, f"the edit of {path} changed nothing"
    file.write_text(after)
