"""Apache Tika: its test files, and the text it reads in them. Only this benchmark needs Java and Maven."""

from __future__ import annotations

import shutil
import subprocess
import zipfile
from pathlib import Path

from bench.measuring import ROOT, console

VERSION = "2.9.2"
HOME = ROOT / ".sandbox" / "tika"
GROUP = "org.apache.tika"
# The modules whose test files are documents; the others have pictures, sound, programs and data.
MODULES = ("apple", "html", "mail", "microsoft", "miscoffice", "pdf", "pkg", "text", "xml")
REPOSITORY = Path.home() / ".m2" / "repository"
_LONGEST_SECONDS = 1200


def documents() -> list[Path]:
    """Return the test files of every module; they are unpacked once."""
    folder = HOME / "documents"
    if not folder.is_dir():
        arriving = HOME / "arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        for module in MODULES:
            with zipfile.ZipFile(_fetched(f"tika-parser-{module}-module", "tests")) as jar:
                for name in jar.namelist():
                    if name.startswith("test-documents/") and not name.endswith("/"):
                        target = arriving / module / Path(name).relative_to("test-documents")
                        target.parent.mkdir(parents=True, exist_ok=True)
                        target.write_bytes(jar.read(name))
        arriving.rename(folder)
    return sorted(path for path in folder.rglob("*") if path.is_file())


def read() -> dict[Path, str]:
    """Return the text that Tika reads in each file; files that it cannot read are left out."""
    found, texts = documents(), HOME / "texts"
    if not texts.is_dir():
        console.print(f"Tika reads {len(found)} files, some minutes")
        app, arriving = _fetched("tika-app"), HOME / "arriving"
        shutil.rmtree(arriving, ignore_errors=True)
        subprocess.run(
            ["java", "-Xmx2g", "-jar", app, "-t", "-i", HOME / "documents", "-o", arriving],
            check=True,
            capture_output=True,
            timeout=_LONGEST_SECONDS,
        )
        arriving.rename(texts)
    read = {path: texts / f"{path.relative_to(HOME / 'documents')}.txt" for path in found}
    return {path: text.read_text("utf-8", "replace") for path, text in read.items() if text.is_file()}


def _fetched(artifact: str, classifier: str = "") -> Path:
    """Fetch a jar from Maven Central."""
    ending = f"-{classifier}" if classifier else ""
    jar = REPOSITORY.joinpath(*GROUP.split("."), artifact, VERSION, f"{artifact}-{VERSION}{ending}.jar")
    if not jar.is_file():
        name = f"{GROUP}:{artifact}:{VERSION}" + (f":jar:{classifier}" if classifier else "")
        subprocess.run(
            ["mvn", "-q", "-B", "dependency:get", "-Dtransitive=false", f"-Dartifact={name}"],
            check=True,
            timeout=_LONGEST_SECONDS,
        )
    return jar
