"""Requirements (pyproject.toml) and pinned versions (requirements.txt) agree."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[3]
PINNED = re.compile(r"^(?P<name>[A-Za-z0-9._-]+)(?:\[[^]]*\])?==(?P<version>[^\s;\\]+)", re.MULTILINE)
LOCKS = [
    (ROOT / "pyproject.toml", ROOT / "requirements.txt"),
    *(
        (lock.with_name("pyproject.toml"), lock)
        for folder in ("services", "bench")
        for lock in sorted((ROOT / folder).glob("*/requirements.txt"))
    ),
]
# The sandbox's lock files are written by hand or compiled elsewhere: no pyproject.toml lists their packages.
SANDBOX_LOCKS = sorted((ROOT / "sandbox").rglob("*requirements.txt"))
EVERY_LOCK = [*(lock for _, lock in LOCKS), *SANDBOX_LOCKS]


def wanted(project: Path) -> list[Requirement]:
    """The requirements of a pyproject.toml, except those that the checkout itself provides."""
    data = tomllib.loads(project.read_text())
    lines: list[str] = list(data["project"].get("dependencies", []))
    for group in data.get("dependency-groups", {}).values():
        lines += group
    requirements = [Requirement(line) for line in lines]
    return [r for r in requirements if canonicalize_name(r.name) != "rag-core"]


def pinned(lock: Path) -> dict[str, str]:
    """Pinned versions by canonical name."""
    return {canonicalize_name(m["name"]): m["version"] for m in PINNED.finditer(lock.read_text())}


@pytest.mark.parametrize(("project", "lock"), LOCKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_lock_holds_all_that_is_wanted(project: Path, lock: Path) -> None:
    """After an edit of pyproject.toml without `make lock`, the wrong versions would be installed."""
    versions = pinned(lock)
    missing = [
        str(requirement)
        for requirement in wanted(project)
        if canonicalize_name(requirement.name) not in versions
        or not requirement.specifier.contains(versions[canonicalize_name(requirement.name)], prereleases=True)
    ]
    assert not missing, f"{lock.name} lacks {missing}: run `make lock`"


@pytest.mark.parametrize("lock", EVERY_LOCK, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_pin_has_a_hash(lock: Path) -> None:
    """Without a hash, nothing verifies what a pin installs."""
    text = lock.read_text()
    entries = [block for block in re.split(r"\n(?=[A-Za-z0-9])", text) if PINNED.match(block)]
    assert entries
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
