"""An image is rebuilt exactly when something that it is made of has changed."""

from __future__ import annotations

import re
import shutil
import threading
from pathlib import Path

import pytest

from sandbox import images
from sandbox.errors import SandboxError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PARENTS = {image.recipe: images.parents(images.RECIPES / image.recipe) for image in images.IMAGES}


@pytest.fixture
def recipes(tmp_path: Path) -> Path:
    """A copy of the recipes that a test may change."""
    return Path(shutil.copytree(images.RECIPES, tmp_path / "images"))


def changed(recipes: Path) -> set[str]:
    """The recipes whose hash is no longer the committed one."""
    now, committed = images.recipe_hashes(root=recipes), images.recipe_hashes()
    return {recipe for recipe, digest in committed.items() if now[recipe] != digest}


def test_copy_of_recipes_has_same_hashes(recipes: Path) -> None:
    """A hash depends on content only, not on the checkout's path or on times."""
    assert changed(recipes) == set()


def test_change_in_base_changes_everything_made_from_it(recipes: Path) -> None:
    """A stand-in on an old base would lack the change."""
    (recipes / "debian" / "docker-clean").write_text("// other\n")
    assert changed(recipes) == {image.recipe for image in images.IMAGES}


def test_change_in_one_recipe_changes_only_it_and_its_children(recipes: Path) -> None:
    """A change in Python's recipe must not recompile Ollama."""
    with (recipes / "python" / "Dockerfile").open("a") as file:
        file.write("# other\n")
    assert changed(recipes) == {"python", "aws", "caddy", "pebble"}


@pytest.mark.parametrize("what", ["added", "renamed", "executable"])
def test_files_name_and_mode_count(recipes: Path, what: str) -> None:
    """A Dockerfile also copies names and modes."""
    folder = recipes / "registry"
    match what:
        case "added":
            (folder / "more.yml").touch()
        case "renamed":
            (folder / "config.yml").rename(folder / "other.yml")
        case "executable":
            (folder / "config.yml").chmod(0o755)
    assert changed(recipes) == {"registry"}


def test_every_recipe_belongs_to_one_image() -> None:
    """A folder that no image names would never be built; a name without a folder could not be."""
    folders = {path.name for path in images.RECIPES.iterdir() if path.is_dir()}
    assert sorted(image.recipe for image in images.IMAGES) == sorted(folders)


def test_each_image_is_made_after_those_it_is_made_from_and_another_beside_it() -> None:
    """Images that do not depend on each other are built at the same time."""
    made: list[str] = []
    together = threading.Barrier(images.AT_ONCE)
    pair = {"python:3.13-slim", "ragdock-sandbox/host:trixie"}

    def make(image: images.Image) -> None:
        needed = set(images.parents(images.RECIPES / image.recipe)) & {one.name for one in images.IMAGES}
        assert needed <= set(made)
        if image.name in pair:
            together.wait(timeout=30)
        made.append(image.name)

    first = [one for one in images.IMAGES if one.name in pair | {"debian:trixie-slim"}]
    images.each_after_its_parents(first, make)
    assert made[0] == "debian:trixie-slim"
    assert sorted(made) == sorted(one.name for one in first)


def test_after_a_failure_nothing_else_is_begun() -> None:
    """Images based on the failed one cannot be built anyway, and somebody waits for the message."""
    begun: list[str] = []

    def make(image: images.Image) -> None:
        begun.append(image.name)
        raise SandboxError(f"{image.name} could not be built.", "why", "what to do")

    with pytest.raises(SandboxError, match="debian:trixie-slim could not be built"):
        images.each_after_its_parents(images.IMAGES, make)
    assert begun == ["debian:trixie-slim"]


@pytest.mark.parametrize("image", images.IMAGES, ids=lambda image: image.name)
def test_pins_are_whole(image: images.Image) -> None:
    """A digest is complete, and only an image of Docker Hub has one."""
    assert image.digest == "" or DIGEST.fullmatch(image.digest)
    assert image.upstream or image.digest == ""
    assert image.name.partition(":")[2] not in ("", "latest")


def test_no_two_images_share_a_pin() -> None:
    """Two names with one digest are a copying mistake."""
    digests = [image.digest for image in images.IMAGES if image.digest]
    assert len(digests) == len(set(digests)) > 0


@pytest.mark.parametrize(
    ("present", "ready"),
    [
        (images.Present(recipe="wanted", built=True), True),
        (images.Present(recipe="older", built=True), False),
        (images.Present(digests=frozenset({"sha256:" + "0" * 64})), True),
        (images.Present(), False),
    ],
    ids=["ours", "ours of an older recipe", "upstream's of any digest", "of unknown origin"],
)
def test_image_is_ready(present: images.Present, *, ready: bool) -> None:
    """A real upstream image on this machine is used as it is; a stand-in must be current."""
    image = images.Image(name="debian:trixie-slim", recipe="debian")
    assert images._ready(image, {image.name: present}, {"debian": "wanted"}) is ready
