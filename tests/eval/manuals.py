"""Openly licensed manuals as packages of Debian and Ubuntu carry them: fetched once, never committed.

Releases differ in versions, hence in pages and in one package's name: both are asked for, not written here.
"""

from __future__ import annotations

import gzip
import re
import subprocess
from pathlib import Path

from pypdf import PdfReader

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


def pages_with_line(path: Path, line: str) -> set[int]:
    """The pages of a PDF that hold this very line: a heading, and not its entry among the contents."""
    return {
        number
        for number, page in enumerate(PdfReader(path).pages, start=1)
        if line in (one.strip() for one in page.extract_text().splitlines())
    }


def postgresql_manual() -> str:
    """The package with PostgreSQL's manual: 15 in Debian 12, 17 in Debian 13, 16 in Ubuntu 24.04."""
    here = sorted(path.name for path in CORPUS.glob("postgresql-doc-[0-9]*"))
    return here[-1] if here else newest_of(_depends("postgresql-doc"))


def newest_of(dependencies: str) -> str:
    """The package that `apt-cache depends postgresql-doc` names."""
    found = re.search(r"^\s*Depends: (postgresql-doc-\d+)$", dependencies, re.MULTILINE)
    assert found, f"no package postgresql-doc in this machine's lists: {dependencies!r}; run apt-get update"
    return found[1]


def _depends(package: str) -> str:
    asked = ["apt-cache", "depends", package]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout


def written() -> list[Path]:
    """What tests/eval/kinds.jsonl asks about: small documents of our own, in seven languages."""
    return sorted((Path(__file__).parent / "written").iterdir())


def of_debian() -> list[Path]:
    """What tests/eval/debian.jsonl asks about, beside what `evaluated` gives: 24 documents."""
    fetched("debian-faq")
    fetched("developers-reference")
    faq = sorted((CORPUS / "debian-faq").rglob("*.en.html"))
    names = (
        "best-pkging-practices beyond-pkging developer-duties l10n new-maintainer pkgs resources scope tools"
    )
    pages = fetched("developers-reference", *(f"{name}.html" for name in names.split()))
    return [path for path in [*faq, *pages] if path.is_file() and not path.name.startswith("index")]


def whole_of_debian() -> list[Path]:
    """What tests/eval/debian_manuals*.jsonl ask about: nine manuals, in one piece or with all their pages."""
    folders = {
        "debian-handbook": "html/en-US/*.html",
        "harden-doc": "html/en-US/*.html",
        "debian-kernel-handbook": "kernel-handbook.html/*.html",
        "apt-doc": "guide.html/*.html",
    }
    pages = [
        path
        for package, pattern in folders.items()
        for path in sorted(fetched(package) or (CORPUS / package / "usr/share/doc" / package).glob(pattern))
    ]
    files = [
        *fetched("debian-reference-en", "debian-reference.en.pdf"),
        *fetched("debmake-doc", "debmake-doc.en.pdf"),
        *(unpacked(path) for path in fetched("installation-guide-amd64", "install.en.pdf.gz")),
        *(unpacked(path) for path in fetched("debian-policy", "policy.txt.gz")),
        *(unpacked(path) for path in fetched("maint-guide", "maint-guide.en.txt.gz")),
    ]
    # Every package has its own index.html: one name, one document.
    return list({path.name: path for path in [*files, *pages]}.values())


def unpacked(path: Path) -> Path:
    """The file that a `.gz` holds, beside it."""
    whole = path.with_suffix("")
    if not whole.is_file():
        whole.write_bytes(gzip.decompress(path.read_bytes()))
    return whole


def evaluated() -> list[Path]:
    """What tests/eval/questions.jsonl asks about: 24 documents, about 650 chunks."""
    git = "gittutorial gitignore git-stash git-bisect git-worktree git-cherry-pick git-reset git-tag"
    postgres = "backup-dump indexes-types sql-copy sql-createindex transaction-iso explicit-locking populate"
    return [
        *fetched("r-doc-pdf", "R-data.pdf"),
        *_pages("git-doc", f"{git} git-clean git-blame git-revert git-remote"),
        *_pages(postgresql_manual(), f"{postgres} auth-pg-hba-conf datatype-numeric sql-vacuum app-pgdump"),
    ]


def _pages(package: str, names: str) -> list[Path]:
    return fetched(package, *(f"{name}.html" for name in names.split()))
