"""What an image is made from: the files its Dockerfile names, and one hash of exactly those.

The hash is the image's tag, and the builder receives only these files, so
nothing outside the hash can get into an image.
"""

from __future__ import annotations

import fnmatch
import gzip
import hashlib
import io
import json
import shlex
import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

# Name of the Dockerfile in the context that the builder receives.
DOCKERFILE = "Dockerfile.build"
NEVER = (
    "__pycache__",
    "*.pyc",
    ".pytest_cache",
    ".mypy_cache",
    ".ruff_cache",
    ".venv",
    "*.egg-info",
    "tests",
    ".DS_Store",
)


class BuildError(Exception):
    """An image cannot be built or pushed. The text says what to do."""


@dataclass(frozen=True)
class Input:
    """One file of a build context."""

    name: str
    executable: bool
    data: bytes


def instructions(dockerfile: str) -> Iterable[list[str]]:
    """The instructions of a Dockerfile as words: continued lines joined, comments left out."""
    text = ""
    for line in dockerfile.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        text += line.strip()
        if text.endswith("\\"):
            text = text[:-1] + " "
            continue
        yield split(text)
        text = ""


def split(text: str) -> list[str]:
    """Words of an instruction; the JSON form of COPY too."""
    head, _unused, rest = text.partition(" ")
    if head.upper() in ("COPY", "ADD") and "[" in rest:
        flags, _unused, array = rest.partition("[")
        return [head, *flags.split(), *json.loads("[" + array)]
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def sources(dockerfile: str) -> list[str]:
    """Paths of the context that the Dockerfile copies, in its order."""
    found: list[str] = []
    for words in instructions(dockerfile):
        if words[0].upper() in ("COPY", "ADD"):
            flags = [word for word in words[1:] if word.startswith("--")]
            paths = [word for word in words[1:] if not word.startswith("--")]
            if not any(flag.startswith("--from=") for flag in flags):
                found += [path for path in paths[:-1] if not path.startswith(("http://", "https://", "<<"))]
    return list(dict.fromkeys(found))


def ignored(name: str) -> bool:
    """Whether a path has a part that does not belong in an image."""
    return any(fnmatch.fnmatch(part, pattern) for part in Path(name).parts for pattern in NEVER)


def inputs(context: Path, dockerfile: Path) -> list[Input]:
    """The files an image is made from, sorted by name; the Dockerfile is one of them."""
    text = dockerfile.read_text()
    chosen: dict[str, Path] = {}
    for source in sources(text):
        pattern = source.removeprefix("./").strip("/") or "."
        matches = [context] if pattern == "." else sorted(context.glob(pattern))
        if not matches:
            raise BuildError(
                f"{dockerfile} copies {source}, and there is no such file below {context}. "
                "Add it or correct the COPY line."
            )
        for match in matches:
            files = [match] if match.is_file() else [one for one in match.rglob("*") if one.is_file()]
            chosen.update({str(one.relative_to(context)): one for one in files})
    found = [
        Input(name, bool(path.stat().st_mode & 0o100), path.read_bytes())
        for name, path in chosen.items()
        if not ignored(name)
    ]
    return sorted([*found, Input(DOCKERFILE, False, text.encode())], key=lambda one: one.name)


def tag(files: Iterable[Input], epoch: str = "") -> str:
    """The image's tag: a hash of names, modes and contents, and of the epoch."""
    digest = hashlib.sha256(epoch.encode())
    for one in files:
        digest.update(f"\0{one.name}\0{int(one.executable)}\0{len(one.data)}\0".encode() + one.data)
    return digest.hexdigest()[:40]


def context_tar(files: Iterable[Input]) -> bytes:
    """The context as the builder reads it; equal inputs give equal bytes, so its cache applies."""
    out = io.BytesIO()
    with (
        gzip.GzipFile(fileobj=out, mode="wb", mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w") as tar,
    ):
        for one in files:
            info = tarfile.TarInfo(one.name)
            info.size, info.mode = len(one.data), 0o755 if one.executable else 0o644
            tar.addfile(info, io.BytesIO(one.data))
    return out.getvalue()


def build_command(ref: str, ca: str, bases: Iterable[str] = ()) -> list[str]:
    """The words after `docker` that build one image from a context on standard input."""
    words = [
        "buildx",
        "build",
        "--load",
        "--provenance=false",
        "--progress=plain",
        "--file",
        DOCKERFILE,
        "--tag",
        ref,
        *bases,
    ]
    if ca:
        words += ["--secret", f"id=ca,src={ca}"]
    return [*words, "-"]
