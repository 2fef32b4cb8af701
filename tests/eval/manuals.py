"""Openly licensed manuals as Debian packages carry them: real PDF and HTML, fetched once, never committed."""

from __future__ import annotations

import subprocess
from pathlib import Path

CORPUS = Path(__file__).parents[2] / ".sandbox" / "corpus"


def fetched(package: str, *names: str) -> list[Path]:
    """The files of these names out of the package, in the order asked for."""
    folder = CORPUS / package
    if not folder.is_dir():
        CORPUS.mkdir(parents=True, exist_ok=True)
        arriving = CORPUS / f".{package}"
        arriving.mkdir(exist_ok=True)
        subprocess.run(["apt-get", "download", "-q", package], cwd=arriving, check=True)
        archive = next(arriving.glob("*.deb"))
        subprocess.run(["dpkg-deb", "-x", str(archive), str(arriving)], check=True)
        archive.unlink()
        arriving.rename(folder)
    return [next(path for path in sorted(folder.rglob(name)) if path.is_file()) for name in names]


def r_introduction() -> Path:
    """A real PDF of over 100 pages, half of it program code."""
    return fetched("r-doc-pdf", "R-intro.pdf")[0]


def evaluated() -> list[Path]:
    """What tests/eval/questions.jsonl asks about: 24 documents, about 650 chunks."""
    git = "gittutorial gitignore git-stash git-bisect git-worktree git-cherry-pick git-reset git-tag"
    postgres = "backup-dump indexes-types sql-copy sql-createindex transaction-iso explicit-locking populate"
    return [
        *fetched("r-doc-pdf", "R-data.pdf"),
        *_pages("git-doc", f"{git} git-clean git-blame git-revert git-remote"),
        *_pages("postgresql-doc-15", f"{postgres} auth-pg-hba-conf datatype-numeric sql-vacuum app-pgdump"),
    ]


def _pages(package: str, names: str) -> list[Path]:
    return fetched(package, *(f"{name}.html" for name in names.split()))
