"""Docker images of the sandbox: pulled by digest where Docker Hub answers, else built.

Each folder below ``sandbox/images`` is one recipe. An image made from a recipe carries the
hash of that recipe, so nothing is built twice, and a changed recipe is built again.
"""

from __future__ import annotations

import hashlib
import re
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from graphlib import TopologicalSorter
from itertools import count
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox.errors import SandboxError
from sandbox.process import ProgramError, StalledError, run, stream
from sandbox.trust import authorities

RECIPES = Path(__file__).resolve().parent / "images"
SERVICES = RECIPES.parent.parent / "services"
OWNER_LABEL = "ragdock.sandbox=images"
RECIPE_LABEL = "ragdock.recipe"
PROBE_SECONDS = 6.0
AT_ONCE = 2
# A build that prints nothing for this long waits for a stalled connection. It is stopped and started again,
# up to ATTEMPTS times in all; finished steps are kept.
SILENCE_SECONDS = 400.0
ATTEMPTS = 3
PULL_SILENCE_SECONDS = 1800.0

Say = Callable[[str], None]


class Image(BaseModel):
    """One image the sandbox needs."""

    model_config = ConfigDict(frozen=True)

    name: str
    recipe: str
    # The digest that upstream published for this name; empty if unknown.
    digest: str = ""
    # Whether Docker Hub has an image of this name at all.
    upstream: bool = True
    # Made when it is first needed, and not with the others.
    on_demand: bool = False

    @property
    def pinned(self) -> str:
        """Return the reference to pull: the name, pinned to its digest if that is known."""
        return f"{self.name}@{self.digest}" if self.digest else self.name


def published(name: str) -> str:
    """Return the digest to which the services' Dockerfiles pin a base image; empty if there is none."""
    pin = re.compile(rf"^ARG \w+_IMAGE={re.escape(name)}@(sha256:[0-9a-f]{{64}})$", re.MULTILINE)
    found = (pin.search(path.read_text()) for path in sorted(SERVICES.glob("*/Dockerfile")))
    return next((one.group(1) for one in found if one), "")


# The digests come from public repositories that pin the same name. Those of Debian, Python and Caddy are in
# two or more unrelated repositories, Ollama's in one. None was found for OpenSearch 2.19.1, so only its tag
# is used, which upstream rebuilds now and then (docs/decisions/0092-which-upstream-images.md). Digests of
# images that services start from are in their Dockerfiles.
IMAGES: tuple[Image, ...] = (
    Image(
        name="debian:trixie-slim",
        recipe="debian",
        digest=published("debian:trixie-slim"),
    ),
    # Early, because its build takes longest: the others are built at the same time.
    Image(
        name="ollama/ollama:0.17.4",
        recipe="ollama",
        digest=published("ollama/ollama:0.17.4"),
    ),
    Image(
        name="python:3.13-slim",
        recipe="python",
        digest=published("python:3.13-slim"),
    ),
    Image(name="ragdock-sandbox/host:trixie", recipe="host", upstream=False),
    Image(name="ragdock-sandbox/registry:2", recipe="registry", upstream=False),
    Image(name="ragdock-sandbox/aws:5", recipe="aws", upstream=False),
    Image(name="ragdock-sandbox/pebble:3", recipe="pebble", upstream=False, on_demand=True),
    Image(name="opensearchproject/opensearch:2.19.1", recipe="opensearch"),
    Image(
        name="caddy:2.11.4",
        recipe="caddy",
        digest=published("caddy:2.11.4"),
    ),
)


class Present(BaseModel):
    """Docker's description of a local image."""

    model_config = ConfigDict(frozen=True)

    recipe: str = ""
    digests: frozenset[str] = frozenset()
    built: bool = False


def ensure_all(progress: Say) -> None:
    """Provide every image that each sandbox needs."""
    ensure(progress, [image.name for image in IMAGES if not image.on_demand])


def ensure(progress: Say, names: Sequence[str]) -> None:
    """Provide these images; build or pull only those that are missing or whose recipe changed."""
    wanted = [image for image in IMAGES if image.name in names]
    hashes = recipe_hashes()
    present = look(wanted)
    missing = [image for image in wanted if not _ready(image, present, hashes)]
    if not missing:
        return
    hub = any(image.upstream for image in missing) and _hub_answers(progress)
    number = count(1)

    def make(image: Image) -> None:
        say = _prefixed(progress, f"{image.name} ({next(number)} of {len(missing)})")
        if not (hub and image.upstream and _pull(image, say)):
            _build(image, hashes[image.recipe], say)

    each_after_its_parents(missing, make)


def each_after_its_parents(images: Iterable[Image], make: Callable[[Image], None]) -> None:
    """Make several images at once: while one build waits for the network, another one computes.

    After a failure no further build starts; it is raised when the builds already running have ended.
    """
    by_name = {image.name: image for image in images}
    order = TopologicalSorter(
        {
            name: [one for one in parents(RECIPES / image.recipe) if one in by_name]
            for name, image in by_name.items()
        }
    )
    order.prepare()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        running: dict[Future[None], str] = {}
        try:
            while order.is_active():
                running |= {pool.submit(make, by_name[name]): name for name in order.get_ready()}
                for ended in wait(running, return_when=FIRST_COMPLETED).done:
                    ended.result()
                    order.done(running.pop(ended))
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def look(images: Iterable[Image]) -> dict[str, Present]:
    """Return those of the images that are on this machine, with one Docker command."""
    names = [image.name for image in images]
    shape = (
        '{{json .RepoTags}}\t{{json .RepoDigests}}\t{{index .Config.Labels "ragdock.recipe"}}'
        '\t{{index .Config.Labels "ragdock.sandbox"}}'
    )
    # If an image is missing, the command fails, but still prints the others.
    done = run(["docker", "image", "inspect", "--format", shape, *names], check=False)
    if done.returncode != 0 and "No such image" not in done.stderr:
        raise SandboxError(
            f"Docker does not answer: {done.stderr.strip()}.",
            "The sandbox keeps its machines in Docker.",
            "Start Docker, or run `sandbox/bootstrap.sh`, which does.",
        )
    found: dict[str, Present] = {}
    # Docker prints one empty line if all are missing.
    for line in filter(None, done.stdout.splitlines()):
        tags, digests, recipe, owner = line.split("\t")
        entry = Present(
            recipe=recipe,
            digests=frozenset(re.findall(r"sha256:[0-9a-f]{64}", digests)),
            built=owner == OWNER_LABEL.partition("=")[2],
        )
        found |= {name: entry for name in names if f'"{name}"' in tags}
    return found


def recipe_hashes(images: Iterable[Image] = IMAGES, root: Path = RECIPES) -> dict[str, str]:
    """Return the hash of each recipe, over its files and the recipes of the images it is built from."""
    by_name = {image.name: image.recipe for image in images}
    hashes: dict[str, str] = {}

    def of(recipe: str) -> str:
        if recipe not in hashes:
            folder = root / recipe
            digest = hashlib.sha256()
            for path in sorted(p for p in folder.rglob("*") if p.is_file()):
                executable = bool(path.stat().st_mode & 0o100)
                digest.update(f"{path.relative_to(folder)}\0{executable}\0".encode())
                digest.update(hashlib.sha256(path.read_bytes()).digest())
            for parent in parents(folder):
                if parent in by_name:
                    digest.update(of(by_name[parent]).encode())
            hashes[recipe] = digest.hexdigest()
        return hashes[recipe]

    for recipe in by_name.values():
        of(recipe)
    return hashes


def parents(folder: Path) -> list[str]:
    """Return the base images in a recipe's Dockerfile."""
    dockerfile = folder / "Dockerfile"
    if not dockerfile.exists():
        return []
    return sorted(set(re.findall(r"^FROM\s+(\S+)", dockerfile.read_text(), re.MULTILINE)))


def _ready(image: Image, present: dict[str, Present], hashes: dict[str, str]) -> bool:
    here = present.get(image.name)
    if here is None:
        return False
    if here.built or not image.upstream:
        return here.recipe == hashes[image.recipe]
    # An image from upstream. If its digest differs, the user pulled another version under
    # this name: it works, so do not replace it.
    return bool(here.digests)


def _hub_answers(say: Say) -> bool:
    """Return whether Docker Hub answers, by requesting the manifest of an image that is needed anyway."""
    say("checking whether Docker Hub answers")
    try:
        done = run(
            ["docker", "manifest", "inspect", IMAGES[0].name],
            check=False,
            seconds=PROBE_SECONDS,
            environment={"DOCKER_CLI_EXPERIMENTAL": "enabled"},
        )
    except TimeoutError:
        answers = False
    else:
        answers = done.returncode == 0
    say("Docker Hub answers" if answers else "Docker Hub does not answer: images are built here")
    return answers


def _pull(image: Image, say: Say) -> bool:
    try:
        # Docker prints nothing while it downloads a layer, and the largest has gigabytes.
        stream(["docker", "pull", image.pinned], say, silence=PULL_SILENCE_SECONDS)
        if image.digest:
            run(["docker", "tag", image.pinned, image.name])
    except ProgramError as error:
        say(f"Docker Hub did not provide it ({error.last_line}): it is built here")
        return False
    return True


def _build(image: Image, recipe_hash: str, say: Say) -> None:
    started = time.monotonic()
    log = _log_path(image)
    label = f"{RECIPE_LABEL}={recipe_hash}"
    try:
        patiently(_build_command(image, label), say, log)
    except ProgramError as error:
        raise SandboxError(
            f"The image {image.name} could not be built: {error.last_line}.",
            "Without Docker Hub it is made from package registries, and one of its steps failed.",
            f"Read {log}; after a network error run the same command again: finished steps are kept.",
        ) from error
    say(f"built in {time.monotonic() - started:.0f} s")


def _build_command(image: Image, label: str) -> list[str]:
    folder = RECIPES / image.recipe
    if not (folder / "recipe.sh").exists():
        return [
            "docker", "buildx", "build", "--progress=plain", *_secret(),
            "--label", OWNER_LABEL, "--label", label, "--tag", image.name, str(folder),
        ]  # fmt: skip
    # The import reads the file system from a pipe; with pipefail a failure of recipe.sh fails the command.
    command = shlex.join(["sh", str(folder / "recipe.sh")])
    target = shlex.join(
        ["docker", "import", "-c", 'CMD ["bash"]', "-c", f"LABEL {OWNER_LABEL}",
         "-c", f"LABEL {label}", "-", image.name]
    )  # fmt: skip
    return ["bash", "-o", "pipefail", "-c", f"{command} | {target}"]


def patiently(command: list[str], say: Say, log: Path) -> None:
    """Run a build; stop it and run it again if it makes no progress."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return stream(command, say, log=log, silence=SILENCE_SECONDS)
        except StalledError as error:
            if attempt == ATTEMPTS:
                raise
            say(f"{error.last_line}: ended, attempt {attempt + 1} of {ATTEMPTS}")
    return None


def _secret() -> list[str]:
    """Pass the machine's certificate authorities to a build, for networks with their own authority."""
    path = authorities()
    return ["--secret", f"id=ca,src={path}"] if path else []


def _log_path(image: Image) -> Path:
    folder = RECIPES.parent.parent / ".sandbox" / "logs"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"image-{image.recipe}.log"


def _prefixed(say: Say, prefix: str) -> Say:
    def prefixed(text: str) -> None:
        say(f"{prefix}: {text}")

    return prefixed
