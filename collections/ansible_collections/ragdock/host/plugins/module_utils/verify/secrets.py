"""Checks of secrets: who may read the files, and that their values are nowhere else."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.certificates import first_end
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    CheckError,
    Deployment,
    Row,
    judged,
    name_of,
)

AREA = "secrets"
# Shorter words would match by chance.
SHORTEST = 16
LARGEST_FILE = 64 << 20
CHUNK = 1 << 20
JOURNAL_LINES = "20000"
CLEAN = "Find out what wrote it, then change the secret: playbooks/rotate.yml -e secrets=<its name>."
# Enough time to act, even if the alarm comes on a holiday.
LEAST_DAYS = 30
RENEW = (
    "playbooks/rotate.yml -e secrets=due makes new ones without downtime; the host's job `renew` does so by "
    "itself for what its authority may sign. docs/operate/rotation.md"
)
WORD = re.compile(r"\S+")


@dataclass(frozen=True)
class Needle:
    """A piece of a secret that cannot occur by chance."""

    name: str
    value: bytes


def pieces(text: str) -> Iterator[str]:
    """What to search for: each long word, one line of a private key's body, nothing of a certificate."""
    if "PRIVATE KEY-----" in text:
        body = [line for line in text.splitlines() if not line.startswith("-----")]
        yield from body[1:2] or body[:1]
    elif "-----BEGIN" not in text:
        yield from (word for word in WORD.findall(text) if len(word) >= SHORTEST)


def needles(directory: Path) -> list[Needle]:
    """All pieces of all secrets of the host."""
    found = [
        Needle(str(path.relative_to(directory)), piece.encode())
        for path in sorted(directory.rglob("*"))
        if path.is_file()
        for piece in pieces(path.read_text(encoding="utf-8", errors="replace"))
    ]
    if not found:
        raise CheckError(f"{directory} contains no secret")
    return found


def named_in(haystack: bytes, needles: Iterable[Needle]) -> set[str]:
    """Names of the secrets that occur."""
    return {needle.name for needle in needles if needle.value in haystack}


def named_in_file(path: Path, searched: list[Needle]) -> set[str]:
    """Names of the secrets that occur in a file, which is read in overlapping blocks."""
    overlap = max(len(needle.value) for needle in searched)
    found: set[str] = set()
    with path.open("rb") as file:
        rest = b""
        while block := file.read(CHUNK):
            found |= named_in(rest + block, searched)
            rest = block[-overlap:]
    return found


def files_below(*roots: Path) -> Iterator[Path]:
    """Every file of at most LARGEST_FILE bytes."""
    for root in roots:
        # The link `current` is followed: it is the release that serves.
        paths = [root] if root.is_file() else sorted(root.resolve().rglob("*")) if root.exists() else []
        yield from (path for path in paths if path.is_file() and path.stat().st_size <= LARGEST_FILE)


def certificate_days(directory: Path, now: datetime) -> dict[str, int]:
    """Certificate file -> whole days until it expires (negative: since it expired)."""
    return {
        str(path.relative_to(directory)): (first_end(path.read_bytes()) - now).days
        for path in sorted(directory.rglob("*"))
        if path.is_file() and b"-----BEGIN CERTIFICATE-----" in path.read_bytes()
    }


def certificates(deployment: Deployment) -> Iterator[Row]:
    """Internal certificates do not expire unnoticed: an authority is not renewed by itself."""
    days = certificate_days(deployment.root / "secrets", datetime.now(UTC))
    if not days:
        raise CheckError("no certificate is among the secrets")
    ending = [f"{name} ends in {left} days" for name, left in days.items() if left < LEAST_DAYS]
    first = min(days, key=lambda name: days[name])
    figure = f"{len(days)}, the first ends in {days[first]} days ({first})"
    yield judged(AREA, f"certificates are valid for {LEAST_DAYS} days or more", ending, figure, RENEW)


def modes(deployment: Deployment) -> Iterator[Row]:
    """Each secret is readable only by the user that needs it."""
    directory = deployment.root / "secrets"
    loose = []
    files = [path for path in directory.rglob("*") if path.is_file()]
    for path in files:
        status = path.stat()
        mode = stat.S_IMODE(status.st_mode)
        if mode & 0o337:
            loose.append(f"{path.relative_to(directory)} is {mode:04o}, owner {status.st_uid}")
    for path in (directory, *(one for one in directory.rglob("*") if one.is_dir())):
        if stat.S_IMODE(path.stat().st_mode) & 0o026:
            loose.append(f"{path} can be listed or changed by others")
    hint = "Run playbooks/deploy.yml: it sets owner and mode again."
    yield judged(AREA, "files are readable by their user alone", loose, f"{len(files)} files", hint)


def nowhere_else(deployment: Deployment) -> Iterator[Row]:
    """No secret is in files, logs or output that people copy and share."""
    searched = needles(deployment.root / "secrets")
    root = deployment.root
    figure = f"{len({needle.name for needle in searched})} secrets searched for"

    found = []
    for path in files_below(*(root / part for part in ("releases", "config", "state", "deployer"))):
        found += [f"{name} in {path}" for name in sorted(named_in_file(path, searched))]
    yield judged(AREA, "none in .env, compose, config or state", found, figure, CLEAN)

    inspected = json.dumps(deployment.containers).encode()
    found = [f"{name} in docker inspect" for name in sorted(named_in(inspected, searched))]
    for one in deployment.containers:
        environment = Path(f"/proc/{one['State']['Pid']}/environ")
        if one["State"]["Pid"] and environment.exists():
            names = named_in(environment.read_bytes(), searched)
            found += [f"{name} in the environment of {name_of(one)}" for name in sorted(names)]
    yield judged(AREA, "none in docker inspect or an environment", found, figure, CLEAN)

    found, scanned = [], 0
    for one in deployment.containers:
        log = Path(one.get("LogPath") or "/nonexistent")
        for path in sorted(log.parent.glob(f"{log.name}*")):
            scanned += path.stat().st_size
            found += [
                f"{name} in the log of {name_of(one)}" for name in sorted(named_in_file(path, searched))
            ]
    yield judged(AREA, "none in a container's log", found, f"{scanned / 1e6:.1f} MB read", CLEAN)

    code, out, err = deployment.run(["journalctl", "--no-pager", "--output=cat", "--lines", JOURNAL_LINES])
    if code != 0:
        raise CheckError(f"journalctl ended with {code}: {err.strip()}")
    found = [f"{name} in the journal" for name in sorted(named_in(out.encode(), searched))]
    yield judged(AREA, "none in the host's journal", found, f"{len(out) / 1e6:.1f} MB read", CLEAN)
