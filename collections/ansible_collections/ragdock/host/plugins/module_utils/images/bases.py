"""Base images: what a Dockerfile starts from, and the digest that each is pinned to.

A Dockerfile names its base in an argument (ARG PYTHON_IMAGE=python:3.13-slim@sha256:...). If the
Dockerfile has no digest, the one of the first build is written to a lock file and used from then on.
On a machine without access to Docker Hub, an image of that name was built there and has no digest to pin.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.images.build import BuildError
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import write_atomically

ARGUMENT = re.compile(r"^ARG\s+(\w+_IMAGE)=(\S+)\s*$", re.MULTILINE)
# Label of an image that was built from a recipe under an upstream image's name. Engines that keep images in
# containerd give such an image a digest too, but one that no registry knows.
RECIPE_LABEL = "ragdock.recipe"
_SHAPE = (
    f'{{{{json .Created}}}} {{{{json (index .Config.Labels "{RECIPE_LABEL}")}}}} {{{{json .RepoDigests}}}}'
)
# Messages of registries that do not have an image; other errors (no network, no permission) prove nothing.
GONE = re.compile(r"not found|manifest unknown|MANIFEST_UNKNOWN|NAME_UNKNOWN", re.IGNORECASE)
# Exit code, standard output, standard error of `docker <words>`.
Docker = Callable[[list[str]], tuple[int, str, str]]


@dataclass(frozen=True)
class Base:
    """An image that a Dockerfile starts from."""

    argument: str
    name: str
    digest: str = ""

    @property
    def repository(self) -> str:
        """The name without its tag."""
        return self.name.rpartition(":")[0] or self.name


def bases(dockerfile: str) -> list[Base]:
    """What the Dockerfile's stages start from, in its order."""
    found = []
    for argument, ref in ARGUMENT.findall(dockerfile):
        name, _unused, digest = ref.partition("@")
        found.append(Base(argument, name, digest))
    return found


def bases_of(dockerfiles: Iterable[Path]) -> list[Base]:
    """Every base image of these Dockerfiles once, by name."""
    found = {base.name: base for path in dockerfiles for base in bases(path.read_text(encoding="utf-8"))}
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class Lock:
    """Digests that first builds found, in a file of the deployment's state."""

    path: Path

    def digest(self, name: str) -> str:
        """The pinned digest; empty for a new name."""
        return str(self._read().get(name, {}).get("digest", ""))

    def hold(self, name: str, digest: str) -> None:
        """Pin an image to this digest from now on."""
        met = f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"
        known = self._read() | {name: {"digest": digest, "met": met}}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(self.path, json.dumps(known, indent=2, sort_keys=True) + "\n")

    def _read(self) -> dict[str, Any]:
        return dict(json.loads(self.path.read_text(encoding="utf-8"))) if self.path.is_file() else {}


@dataclass(frozen=True)
class Here:
    """An image on this machine: when it was built, and its digests upstream (none: built here)."""

    created: str
    digests: tuple[str, ...]
    # The sandbox built it in place of upstream's image.
    standin: bool = False


def here(docker: Docker, base: Base, ref: str) -> Here | None:
    """The image, if this machine has it."""
    code, out, _unused = docker(["image", "inspect", "--format", _SHAPE, ref])
    if code != 0:
        return None
    created, recipe, names = out.strip().split(" ", 2)
    upstream = [] if json.loads(recipe) else json.loads(names) or []
    pairs = [str(one).partition("@") for one in upstream]
    digests = tuple(digest for repository, _unused, digest in pairs if repository == base.repository)
    return Here(str(json.loads(created)), digests, bool(json.loads(recipe)))


def held(docker: Docker, base: Base, lock: Lock, *, standins: bool) -> str:
    """The reference to build from. An image without a digest is pulled once, and its digest is stored."""
    present = here(docker, base, base.name)
    if present is not None and present.standin and not standins:
        raise BuildError(refusal(base))
    if present is not None and not present.digests:
        return base.name
    digest = base.digest or lock.digest(base.name)
    if not digest:
        digest = present.digests[0] if present else _pulled(docker, base)
        lock.hold(base.name, digest)
    return f"{base.name}@{digest}"


def refusal(base: Base) -> str:
    """Explain why a stand-in is refused as a base, and what to do."""
    return (
        f"The image {base.name} on this machine is a stand-in, which a sandbox built in the place of "
        f"its makers'. A deployment outside the sandbox does not use it. Remove it with "
        f"`docker image rm {base.name}`, or deploy from a machine without a sandbox."
    )


@dataclass(frozen=True)
class Found:
    """Whether a base image is available: `problem` says why not, `unknown` that no registry answered."""

    problem: str = ""
    unknown: str = ""


def find(docker: Docker, base: Base, lock: Lock, *, standins: bool) -> Found:
    """Look for the image on this machine, then in its registry. Pulls nothing."""
    present = here(docker, base, base.name)
    if present is not None and present.standin:
        return Found() if standins else Found(problem=refusal(base))
    digest = base.digest or lock.digest(base.name)
    ref = f"{base.name}@{digest}" if digest else base.name
    if (present is not None and not digest) or (digest and here(docker, base, ref) is not None):
        return Found()
    code, _unused, err = docker(["buildx", "imagetools", "inspect", ref])
    said = err.strip()[-300:]
    if not code:
        return Found()
    if GONE.search(said):
        where = f"line of {lock.path}" if digest and not base.digest else f"{base.argument} of its Dockerfile"
        return Found(
            problem=f"The registry no longer has the base image {ref} ({said}). Images that start from it "
            f"cannot be built. Write a newer digest into the {where}: "
            f"`docker buildx imagetools inspect {base.name}` shows the one that its tag has now."
        )
    return Found(unknown=f"Nobody answered whether the base image {ref} exists: {said}")


def _pulled(docker: Docker, base: Base) -> str:
    code, _unused, err = docker(["pull", "--quiet", base.name])
    found = here(docker, base, base.name) if code == 0 else None
    if found is None or not found.digests:
        reason = err.strip()[-300:] or "it came without a digest"
        raise BuildError(
            f"The base image {base.name} could not be pulled: {reason}. "
            "Its registry has to be reachable from this machine, or an image of that name has to be here "
            "(the sandbox builds one)."
        )
    return found.digests[0]


def build_arguments(refs: Mapping[str, str]) -> list[str]:
    """Words for `docker build`: each argument, and the bases as a label of the image."""
    words = [word for name in sorted(refs) for word in ("--build-arg", f"{name}={refs[name]}")]
    if refs:
        words += ["--label", f"ragdock.bases={' '.join(refs[name] for name in sorted(refs))}"]
    return words
