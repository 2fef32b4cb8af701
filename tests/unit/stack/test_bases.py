"""A base image is pinned to one digest: that of the Dockerfile, otherwise that of the first build."""

from __future__ import annotations

import datetime as dt
import json
import re
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.images.bases import (
    RECIPE_LABEL,
    Base,
    Found,
    Lock,
    bases,
    bases_of,
    build_arguments,
    find,
    held,
)
from ansible_collections.ragdock.host.plugins.module_utils.images.build import BuildError
from ansible_collections.ragdock.host.plugins.modules import base_images
from sandbox import images

OLD, NEW = (f"sha256:{digit * 64}" for digit in "12")
NOW = dt.datetime(2026, 3, 1, tzinfo=dt.UTC)
DOCKERFILES = sorted((Path(__file__).parents[3] / "services").glob("*/Dockerfile"))


class Machine:
    """The images of a machine (reference -> time and digests) and those of a registry (the same)."""

    def __init__(
        self,
        here: dict[str, tuple[str, list[str]]],
        registry: dict[str, tuple[str, str]],
        made_here: frozenset[str] = frozenset(),
        silence: str = "no such host",
    ) -> None:
        self.here, self.registry, self.made_here = here, registry, made_here
        self.silence = silence
        self.pulled: list[str] = []

    def __call__(self, words: list[str]) -> tuple[int, str, str]:
        ref = words[-1]
        if words[0] == "pull":
            return self._pull(ref)
        if words[0] == "image":
            if ref not in self.here:
                return 1, "", "No such"
            created, digests = self.here[ref]
            recipe = "a1" if ref in self.made_here else ""
            return 0, f"{json.dumps(created)} {json.dumps(recipe)} {json.dumps(digests)}\n", ""
        if ref not in self.registry:
            return 1, "", self.silence
        created, digest = self.registry[ref]
        manifest = {"mediaType": "index", "digest": digest}
        image = {"linux/amd64": {"created": created}, "linux/arm64": {"created": "2020-01-01T00:00:00Z"}}
        return 0, json.dumps(manifest if "Manifest" in words[-2] else image), ""

    def _pull(self, ref: str) -> tuple[int, str, str]:
        if ref not in self.registry:
            return 1, "", "no such host"
        self.pulled.append(ref)
        created, digest = self.registry[ref]
        self.here[ref] = (created, [f"{ref.partition(':')[0]}@{digest}"])
        return 0, digest, ""


@pytest.fixture
def lock(tmp_path: Path) -> Lock:
    """The lock file of a deployment that was never built."""
    return Lock(tmp_path / "state" / "base-images.json")


def test_every_stage_of_every_service_starts_from_an_argument_with_one_pin() -> None:
    """A plain name in FROM would be a tag that can change; a name has one digest in all Dockerfiles."""
    for path in DOCKERFILES:
        named = {base.argument for base in bases(path.read_text())}
        starts = re.findall(r"^FROM\s+(\S+)", path.read_text(), re.MULTILINE)
        assert starts
        assert {start.strip("${}") for start in starts} <= named, path
    pins = {(base.name, base.digest) for path in DOCKERFILES for base in bases(path.read_text())}
    assert len(pins) == len(bases_of(DOCKERFILES))


def test_the_sandbox_pulls_what_the_dockerfiles_name() -> None:
    known = {image.name: image.digest for image in images.IMAGES}
    assert {base.name: base.digest for base in bases_of(DOCKERFILES)}.items() <= known.items()


def test_the_sandbox_marks_what_it_makes_as_the_roles_look_for_it() -> None:
    assert images.RECIPE_LABEL == RECIPE_LABEL


def test_the_dockerfiles_digest_holds_whatever_the_tag_gives_now(lock: Lock) -> None:
    machine = Machine(
        {"py:3": ("2026-01-01T00:00:00Z", [f"py@{NEW}"])}, {"py:3": ("2026-02-01T00:00:00Z", NEW)}
    )
    assert held(machine, Base("PY_IMAGE", "py:3", OLD), lock, standins=True) == f"py:3@{OLD}"
    assert not lock.path.exists()


def test_an_image_made_here_is_built_from_although_the_engine_gave_it_a_digest(lock: Lock) -> None:
    """An engine that keeps images in containerd gives digests to images that were never in a registry."""
    here = {"py:3": ("2026-01-01T00:00:00Z", [f"py@{NEW}"]), "search:2": ("", [f"search@{NEW}"])}
    machine = Machine(here, {}, frozenset(here))
    assert held(machine, Base("PY_IMAGE", "py:3", OLD), lock, standins=True) == "py:3"
    assert held(machine, Base("SEARCH_IMAGE", "search:2"), lock, standins=True) == "search:2"
    assert not lock.path.exists()


def test_the_first_digest_met_holds_although_the_tag_moves(lock: Lock) -> None:
    base = Base("SEARCH_IMAGE", "search:2")
    machine = Machine({}, {"search:2": ("2026-01-01T00:00:00Z", OLD)})
    assert held(machine, base, lock, standins=True) == f"search:2@{OLD}"
    elsewhere = Machine({"search:2": ("2026-02-01T00:00:00Z", [f"search@{NEW}"])}, {"search:2": ("", NEW)})
    assert held(elsewhere, base, lock, standins=True) == f"search:2@{OLD}"
    assert (machine.pulled, elsewhere.pulled) == (["search:2"], [])


def test_an_image_that_was_built_here_has_no_digest_and_locks_nothing(lock: Lock) -> None:
    machine = Machine({"search:2": ("2026-01-01T00:00:00Z", []), "py:3": ("2026-01-01T00:00:00Z", [])}, {})
    assert held(machine, Base("SEARCH_IMAGE", "search:2"), lock, standins=True) == "search:2"
    assert held(machine, Base("PY_IMAGE", "py:3", OLD), lock, standins=True) == "py:3"
    assert not lock.path.exists()


def test_a_digest_of_another_repository_is_not_the_bases(lock: Lock) -> None:
    """An image that was pushed elsewhere also has a digest of that registry."""
    machine = Machine({"search:2": ("2026-01-01T00:00:00Z", [f"registry.example.org/search@{OLD}"])}, {})
    assert held(machine, Base("SEARCH_IMAGE", "search:2"), lock, standins=True) == "search:2"


def test_a_base_that_cannot_be_had_is_named(lock: Lock) -> None:
    with pytest.raises(BuildError, match=r"search:2 could not be pulled: no such host"):
        held(Machine({}, {}), Base("SEARCH_IMAGE", "search:2"), lock, standins=True)


def test_a_stand_in_is_built_from_only_where_the_inventory_allows_it(lock: Lock) -> None:
    """A sandbox on the operator's machine leaves images with the names of the real ones."""
    here: dict[str, tuple[str, list[str]]] = {"py:3": ("2026-01-01T00:00:00Z", [])}
    machine = Machine(here, {f"py:3@{OLD}": ("", OLD)}, frozenset(here))
    base = Base("PY_IMAGE", "py:3", OLD)
    with pytest.raises(BuildError, match=r"py:3 on this machine is a stand-in.*docker image rm py:3"):
        held(machine, base, lock, standins=False)
    assert "docker image rm py:3" in find(machine, base, lock, standins=False).problem
    assert held(machine, base, lock, standins=True) == "py:3"
    assert find(machine, base, lock, standins=True) == Found()


def test_a_base_image_is_found_here_or_in_its_registry_before_anything_is_made(lock: Lock) -> None:
    base = Base("PY_IMAGE", "py:3", OLD)
    digests = {f"py:3@{OLD}": ("", [f"py@{OLD}"])}
    assert find(Machine(digests, {}), base, lock, standins=False) == Found()
    assert find(Machine({}, {f"py:3@{OLD}": ("", OLD)}), base, lock, standins=False) == Found()
    assert find(Machine({}, {"py:3": ("", OLD)}), Base("PY_IMAGE", "py:3"), lock, standins=False) == Found()


def test_a_digest_that_its_registry_no_longer_has_is_named(lock: Lock) -> None:
    machine = Machine({}, {}, silence=f"ERROR: docker.io/library/py:3@{OLD}: not found")
    said = find(machine, Base("PY_IMAGE", "py:3", OLD), lock, standins=False).problem
    assert f"no longer has the base image py:3@{OLD}" in said
    assert "PY_IMAGE of its Dockerfile" in said


def test_a_registry_that_does_not_answer_is_no_verdict(lock: Lock) -> None:
    """If the image is already built, no base is needed; otherwise the build reports the problem again."""
    found = find(Machine({}, {}), Base("PY_IMAGE", "py:3", OLD), lock, standins=False)
    assert (found.problem, "no such host" in found.unknown) == ("", True)


def test_a_build_is_given_its_bases_and_remembers_them() -> None:
    assert build_arguments({"PY_IMAGE": f"py:3@{OLD}"}) == [
        *("--build-arg", f"PY_IMAGE=py:3@{OLD}", "--label", f"ragdock.bases=py:3@{OLD}"),
    ]
    assert build_arguments({}) == []


@pytest.mark.parametrize(
    ("here", "registry", "digest", "row"),
    [
        (
            {f"py:3@{OLD}": ("2026-02-27T00:00:00Z", [f"py@{OLD}"])},
            {"py:3": ("2026-02-28T00:00:00Z", NEW)},
            OLD,
            ["sha256:111111111111", "2026-02-27, 2 days ago", NEW],
        ),
        (
            {},
            {f"py:3@{OLD}": ("2026-02-28T00:00:00Z", OLD), "py:3": ("2026-02-28T00:00:00Z", OLD)},
            OLD,
            ["sha256:111111111111", "2026-02-28, 1 day ago", "the same"],
        ),
        (
            {"py:3": ("2026-02-28T12:00:00.5Z", [])},
            {},
            OLD,
            [base_images.BUILT_HERE, "2026-02-28, 0 days ago", base_images.SILENT],
        ),
        (
            {f"py:3@{OLD}": ("2025-12-01T00:00:00Z", [f"py@{OLD}"])},
            {},
            OLD,
            ["sha256:111111111111", "2025-12-01, 90 days ago, old", base_images.SILENT],
        ),
        ({}, {}, "", [base_images.UNPINNED, "unknown here", base_images.SILENT]),
        (
            {f"py:3@{OLD}": ("1970-01-01T00:00:00Z", [f"py@{OLD}"])},
            {},
            OLD,
            ["sha256:111111111111", "not published", base_images.SILENT],
        ),
    ],
    ids=["a newer one", "the same", "built here", "old", "nothing known", "time hidden"],
)
def test_the_plan_shows_age_and_what_the_registry_has(
    lock: Lock,
    here: dict[str, tuple[str, list[str]]],
    registry: dict[str, tuple[str, str]],
    digest: str,
    row: list[str],
) -> None:
    """An unreachable registry is reported, but is no failure."""
    machine = Machine(here, registry)
    assert base_images.row(machine, Base("PY_IMAGE", "py:3", digest), lock, NOW)[1:] == row
    assert machine.pulled == []
