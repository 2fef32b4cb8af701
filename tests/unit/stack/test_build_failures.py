"""A failed build names its cause: the Dockerfile is blamed only if there is no other.

The outputs are BuildKit's own, reduced to the lines at the end of a build.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.images import running
from ansible_collections.ragdock.host.plugins.module_utils.images.build import BuildError
from ansible_collections.ragdock.host.plugins.module_utils.images.failures import reason

SOLVE = (
    "ERROR: failed to solve: rpc error: code = Unknown desc = failed to solve with frontend dockerfile.v0: "
)
LLB = f"{SOLVE}failed to create LLB definition: "
HEAD = 'failed to do request: Head "https://registry-1.docker.io/v2/library/python/manifests/3": '
RUN = "ERROR: failed to solve: executor failed running [/bin/sh -c pip install nothing]: exit code: 1"


@pytest.mark.parametrize(
    ("output", "words"),
    [
        (f"{LLB}{HEAD}dial tcp: lookup registry-1.docker.io on 10.0.0.2:53: no such host", "did not reach"),
        (f"{LLB}{HEAD}dial tcp 127.0.0.1:443: connect: connection refused", "did not reach"),
        (
            f"7.710   Could not resolve 'deb.example.invalid'\n7.912 E: Unable to locate package x\n{RUN}",
            "did not reach",
        ),
        (f"4.0 ERROR: Could not find a version ... nothing (from versions: none)\n{RUN}", "did not reach"),
        ("ERROR: Cannot connect to the Docker daemon at unix:///x. Is the docker daemon running?", "not run"),
        (f"0.780 dd: error writing '/x': No space left on device\n{RUN}", "is full"),
        ("ERROR: failed to solve: write /var/lib/docker/tmp/x: no space left on device", "is full"),
        (
            "ERROR: failed to solve: process \"/bin/sh -c true\" did not complete successfully: failed to "
            "create endpoint x on network bridge: adding interface veth0 to bridge docker0 failed: could not "
            "find bridge docker0: route ip+net: no such network interface",
            "lacks its network bridge",
        ),
        (f"{LLB}127.0.0.1:5999/x:1: not found", "does not have the base image"),
        (
            "ERROR: failed to solve: x/y:1: failed to resolve source metadata for docker.io/x/y:1: "
            "docker.io/x/y:1: not found",
            "does not have the base image",
        ),
    ],
)  # fmt: skip
def test_what_is_not_the_dockerfiles_fault_is_named(output: str, words: str) -> None:
    said = reason(f"#1 DONE 0.0s\n{output}\n", "edge")
    assert words in said
    assert "Dockerfile." not in said


@pytest.mark.parametrize(
    "output",
    [
        "------\n > [2/2] RUN false:\n------\nERROR: failed to solve: executor failed running "
        "[/bin/sh -c false]: exit code: 1",
        f"{LLB}dockerfile parse error line 2: unknown instruction: RUNN",
        'ERROR: failed to solve: failed to compute cache key: "/nothing" not found: not found',
    ],
)
def test_else_the_dockerfile_is(output: str) -> None:
    assert reason(output, "edge") == "Correct services/edge/Dockerfile."


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that counts its calls and hangs, until it has been called as often as `well_after` says."""
    program = tmp_path / "bin" / "docker"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, time\n"
        f"calls = pathlib.Path({str(tmp_path / 'calls')!r})\n"
        "count = int(calls.read_text()) + 1 if calls.exists() else 1\n"
        "calls.write_text(str(count))\n"
        "print('go: downloading', count, flush=True)\n"
        f"well = int(pathlib.Path({str(tmp_path / 'well_after')!r}).read_text())\n"
        "time.sleep(30 if count < well else 0)\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(running, "SILENCE_SECONDS", 0.5)
    return tmp_path


def test_a_build_without_progress_is_ended_and_made_again(docker: Path) -> None:
    """One stalled connection blocked a build for a thousand seconds and then failed it."""
    (docker / "well_after").write_text("2")
    log = docker / "build.log"
    assert running.run_build(["buildx", "build"], log, 20) == 0
    assert "go: downloading 2" in log.read_text()
    assert "No output for 0 s: attempt 1 of 3 ended" in log.read_text()


def test_a_build_that_never_makes_progress_is_given_up(docker: Path) -> None:
    (docker / "well_after").write_text("9")
    with pytest.raises(BuildError, match="3 times"):
        running.run_build(["buildx", "build"], docker / "build.log", 20)
    assert (docker / "calls").read_text() == "3"


@pytest.mark.parametrize(("size", "seconds"), [(0, 600), (3_300_000_000, 7200), (300_000_000, 1200)])
def test_a_push_may_take_as_long_as_its_size_needs(size: int, seconds: float) -> None:
    """The limit is ten minutes plus one second for each half megabyte."""
    assert running.push_seconds(size) == seconds
