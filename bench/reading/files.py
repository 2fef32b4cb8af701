"""Real files to read: fetched once, or written by LibreOffice from real ones, into .sandbox/extraction."""

from __future__ import annotations

import csv
import email.policy
import shutil
import subprocess
import sys
import urllib.request
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import EmailMessage
from itertools import chain
from pathlib import Path

from bench.measuring import ROOT
from bench.reading import truths
from bench.reading.truths import Held
from tests.eval import manuals

HOME = ROOT / ".sandbox" / "extraction"
UV = Path(sys.executable).with_name("uv")
R = ("R-intro", "R-data", "R-lang")
PRINTED = ("R-intro.html", "R-data.html", "R-lang.html", "R-FAQ.html")
TABLES = ("airports", "la-riots", "iowa-electricity", "us-employment")
# Documents written by Word, PowerPoint and Excel of several years, from Apache Tika's tests.
TIKA = "org/apache/tika/tika-parser-microsoft-module/3.2.0/tika-parser-microsoft-module-3.2.0-tests.jar"
# E-mails of two mailing lists, from notmuch's tests.
NOTMUCH = "pool/main/n/notmuch/notmuch_0.37.orig.tar.xz"
OFFICE = f"""
set -e
apt-get update -qq
export DEBIAN_FRONTEND=noninteractive
apt-get install -y -qq --no-install-recommends libreoffice-writer-nogui libreoffice-calc-nogui > /dev/null
soffice --headless --infilter="HTML (StarWriter)" --convert-to docx:"MS Word 2007 XML" {" ".join(PRINTED)}
soffice --headless --infilter=CSV:44,34,76,1,,1033,false,true --convert-to xlsx \
  {" ".join(f"{name}.csv" for name in TABLES)}
"""


@dataclass(frozen=True)
class Document:
    """Files that count as one document, and their true content; None: headings or rows are not known."""

    files: tuple[Path, ...]
    text: str
    headings: list[str] | None = None
    rows: list[list[str]] | None = None

    @classmethod
    def marked(cls, file: Path, held: Held, text: str = "") -> Document:
        """Return one file with the headings and rows of its markup, and the text of another edition."""
        return cls((file,), text or held.text, held.headings, held.rows)


def pdfs() -> Iterator[Document]:
    """Three manuals; the true words come from their info edition, the headings from their HTML edition."""
    for name, pdf in zip(R, manuals.fetched("r-doc-pdf", *(f"{name}.pdf" for name in R)), strict=True):
        yield Document((pdf,), _info(name), _page(f"{name}.html").headings)


def pages() -> Iterator[Document]:
    """Four manuals by texinfo and two by Sphinx; the true words come from their plain text editions."""
    for name in PRINTED:
        yield Document.marked(_html(name), _page(name), _info(name.removesuffix(".html")))
    for package, text in (("debian-policy", "policy.txt.gz"), ("developers-reference", None)):
        plain = manuals.fetched(package, text or f"{package}.txt.gz")[0]
        folder = plain.with_name("policy.html") if text else plain.parent
        no_text = {"genindex.html", "search.html", "index.html", "upgrading-checklist.html"}
        files = tuple(sorted(one for one in folder.glob("*.html") if one.name not in no_text))
        held = [truths.of_html(one.read_text("utf-8")) for one in files]
        headings, rows = zip(*((one.headings, one.rows) for one in held), strict=True)
        yield Document(files, truths.of_text(plain), [*chain(*headings)], [*chain(*rows)])


def books() -> Iterator[Document]:
    """Three manuals made by two EPUB tools; the true words come from their text editions."""
    for package, book, text in (
        ("debian-policy", "policy.epub", "policy.txt.gz"),
        ("developers-reference", "developers-reference.epub", "developers-reference.txt.gz"),
        ("debmake-doc", "debmake-doc.en.epub", "debmake-doc.en.txt.gz"),
    ):
        path, plain = manuals.fetched(package, book, text)
        yield Document.marked(path, truths.of_book(path), truths.of_text(plain))


def letters() -> Iterator[Document]:
    """E-mails of mailing lists that are plain text without any encoding."""
    folder, target = _tar(NOTMUCH) / "test" / "corpora", _made("lists")
    found = sorted((*folder.glob("default/**/*"), *folder.glob("lkml/**/*")))
    for number, path in enumerate(filter(Path.is_file, found)):
        head, _, body = path.read_bytes().partition(b"\n\n")
        text = head.lower()
        if b"multipart" in text or b"base64" in text or b"quoted-printable" in text or b"=?" in text:
            continue
        # Unfold headers: a continuation line belongs to the line before.
        lines = head.decode("utf-8", "replace").replace("\n ", " ").replace("\n\t", " ").split("\n")
        shown = [line for line in lines if line.lower().startswith(("subject:", "from:", "to:", "date:"))]
        encoding = "iso-8859-1" if b"8859-1" in text else "utf-8"
        letter = target / f"{number:03d}.eml"  # some readers detect the type by the extension
        shutil.copy(path, letter)
        yield Document((letter,), "\n".join([*shown, body.decode(encoding, "replace")]))


def composed() -> Iterator[Document]:
    """Manuals as e-mail programs send them: two editions in one e-mail, some with a Word attachment."""
    folder = _made("letters")
    attached = _word("R-FAQ.html")
    for number, page in enumerate(PRINTED):
        text, markup = _info(page.removesuffix(".html"))[:60_000], _html(page).read_text("utf-8")
        letter = EmailMessage(policy=email.policy.SMTP)
        letter["Subject"] = f"Über das Handbuch {page}"
        letter["From"], letter["To"] = "Ada Brunn <ada@example.org>", "readers@example.org"
        charset = ("utf-8", "iso-8859-15", "utf-8", "utf-16")[number]
        text = text.encode(charset, "ignore").decode(charset)
        letter.set_content(text, charset=charset, cte=("quoted-printable", "base64")[number % 2])
        letter.add_alternative(markup[:200_000], subtype="html", cte="base64")
        if number % 2:
            letter.add_attachment(
                attached.read_bytes(), maintype="application", filename="faq.docx",
                subtype="vnd.openxmlformats-officedocument.wordprocessingml.document",
            )  # fmt: skip
        path = folder / f"{page}.eml"
        path.write_bytes(letter.as_bytes())
        shown = [f"{name}: {letter[name]}" for name in ("Subject", "From", "To")]
        along = _info("R-FAQ") if number % 2 else ""
        yield Document((path,), "\n".join([*shown, text, along]))


def written() -> Iterator[Document]:
    """Four manuals that LibreOffice converts from HTML; the true words come from their info edition."""
    for name in PRINTED:
        yield Document.marked(_word(name), _page(name), _info(name.removesuffix(".html")))


def words_own() -> Iterator[Document]:
    """Files written by Word."""
    yield from (Document.marked(path, truths.of_word(path)) for path in _office("docx"))


def slides() -> Iterator[Document]:
    """Files written by PowerPoint."""
    yield from (Document.marked(path, truths.of_slides(path)) for path in _office("pptx"))


def excels_own() -> Iterator[Document]:
    """Files written by Excel; the true words are those of their cells."""
    yield from (Document((path,), truths.of_sheets(path).text) for path in _office("xlsx"))


def sheets() -> Iterator[Document]:
    """Tables that LibreOffice converts from CSV; the CSV is their true content."""
    for table in TABLES:
        rows = [[truths.number(cell) for cell in row] for row in _rows(table)]
        yield Document((_converted() / f"{table}.xlsx",), _as_text(rows), None, rows)


def tables() -> Iterator[Document]:
    """The same tables as they are, and with semicolons and decimal commas in a Windows encoding."""
    for table in TABLES:
        yield Document((_csv(table),), _as_text(_rows(table)), None, _rows(table))
    path = _made("csv") / "semicolons.csv"
    rows = [[cell.replace(".", ",") for cell in row] for row in _rows("la-riots")]
    rows[0][0] = "Vorname für Größe"
    with path.open("w", encoding="cp1252", newline="") as file:
        csv.writer(file, delimiter=";").writerows(rows)
    yield Document((path,), _as_text(rows), None, rows)


def _office(ending: str) -> list[Path]:
    """Return Apache Tika's files without those that need a password or are damaged on purpose."""
    folder = HOME / "tika"
    if not folder.is_dir():
        jar = _made("fetched") / "tika.jar"
        _fetch(f"https://repo1.maven.org/maven2/{TIKA}", jar)
        with zipfile.ZipFile(jar) as archive:
            archive.extractall(folder)
    return [path for path in sorted(folder.glob(f"test-documents/*.{ending}")) if zipfile.is_zipfile(path)]


def _word(name: str) -> Path:
    return _converted() / f"{name.removesuffix('.html')}.docx"


def _converted() -> Path:
    """Convert all files with LibreOffice in a container of its own."""
    folder = HOME / "office"
    if not folder.is_dir():
        arriving = _made(".office")
        for path in (*map(_html, PRINTED), *map(_csv, TABLES)):
            shutil.copy(path, arriving)
        place = ("-v", f"{arriving}:/work", "-w", "/work")
        container = ["docker", "run", "--rm", *place, "debian:trixie-slim"]
        subprocess.run([*container, "bash", "-c", OFFICE], check=True)
        arriving.rename(folder)
    return folder


def _csv(table: str) -> Path:
    """A table of the vega_datasets package."""
    folder = HOME / "vega"
    if not folder.is_dir():
        install = [str(UV), "pip", "install", "--quiet", "--python", sys.executable, "--no-deps"]
        subprocess.run([*install, "--target", str(folder), "vega_datasets==0.9.0"], check=True)
    return folder / "vega_datasets" / "_data" / f"{table}.csv"


def _rows(table: str) -> list[list[str]]:
    with _csv(table).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))


def _as_text(rows: Iterable[list[str]]) -> str:
    return "\n".join(" ".join(row) for row in rows)


def _html(name: str) -> Path:
    return manuals.fetched("r-doc-html", name)[0]


def _page(name: str) -> Held:
    return truths.of_html(_html(name).read_text("utf-8"))


def _info(name: str) -> str:
    return truths.of_info(manuals.fetched("r-doc-info", f"{name}.info.gz")[0])


def _tar(path: str) -> Path:
    """A source package of Debian's, unpacked."""
    folder = HOME / "notmuch"
    if not folder.is_dir():
        arriving, archive = _made(".notmuch"), _made("fetched") / "notmuch.tar.xz"
        _fetch(f"https://deb.debian.org/debian/{path}", archive)
        subprocess.run(["tar", "xJf", archive, "--strip-components=1", "-C", arriving], check=True)
        arriving.rename(folder)
    return folder


def _fetch(address: str, target: Path) -> None:
    with urllib.request.urlopen(address, timeout=300) as answer, target.open("wb") as file:  # noqa: S310
        shutil.copyfileobj(answer, file)


def _made(name: str) -> Path:
    folder = HOME / name
    folder.mkdir(parents=True, exist_ok=True)
    return folder
