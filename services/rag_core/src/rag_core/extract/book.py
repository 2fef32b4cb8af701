"""EPUB: the chapters in the order of the book's spine, each read as HTML; each chapter counts as a page."""

from __future__ import annotations

import posixpath
import urllib.parse
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from lxml import etree

from rag_core.extract import archive, archives, html
from rag_core.extract.blocks import (
    Block,
    BlockKind,
    Head,
    Item,
    Pulse,
    Unreadable,
    blocks,
)

_CONTAINER = "META-INF/container.xml"
_RIGHTS = "META-INF/encryption.xml"
# A file that only books with this kind of copy protection contain.
_SHOPS = {
    "META-INF/rights.xml": " of Adobe",
    "META-INF/license.lcpl": ", Readium LCP",
    "META-INF/sinf.xml": " of Apple",
    "rights.xml": " of Barnes & Noble or Kobo",
}
_PAGES = ("application/xhtml+xml", "text/html", "application/x-dtbook+xml", "image/svg+xml")


def parse(path: Path, max_pages: int) -> Iterator[Item]:
    """Head and blocks of a book."""
    archive.check(path, "book")
    with zipfile.ZipFile(path) as book:
        try:
            package = _package(book)
            title, chapters = _spine(book, package)
        except (*archives.DAMAGED, etree.XMLSyntaxError) as error:
            raise Unreadable(
                "corrupt",
                f"the book's table of parts is missing or damaged ({type(error).__name__});"
                " copy or download it again",
            ) from error
        if len(chapters) > max_pages:
            raise Unreadable(
                "too_many_pages",
                f"the book has {len(chapters):,} parts, more than the {max_pages:,} allowed; split it",
            )
        _refuse_locked(book, chapters)
        yield Head(title=title, pages=len(chapters))
        empty = True
        lost = 0
        for number, name in enumerate(chapters, 1):
            try:
                markup = book.read(name)
            except archives.DAMAGED:
                # The other chapters are still useful; the text must say why this one is missing.
                lost += 1
                yield from blocks(
                    BlockKind.TEXT, "This chapter was not read: the book is damaged here.", number
                )
                continue
            for item in html.read(markup, number, "chapter", partial(_picture, book, name))[1]:
                empty = empty and not isinstance(item, Block)
                yield item
            yield Pulse(number)
    if empty and lost:
        raise Unreadable(
            "corrupt",
            f"the book is damaged: {lost:,} of its {len(chapters):,} chapters cannot be read, and the"
            " others hold no text; copy or download it again",
        )
    if empty:
        raise Unreadable("no_text", "the book holds no text")


def _picture(book: zipfile.ZipFile, chapter: str, address: str) -> bytes | None:
    """Return the picture that a chapter shows; None if it is not in the book."""
    place = urllib.parse.urlsplit(address)
    if place.scheme or place.netloc:
        return None
    try:
        return book.read(_within(posixpath.dirname(chapter), place.path))
    except archives.DAMAGED:
        return b""


def _within(folder: str, address: str) -> str:
    return posixpath.normpath(posixpath.join(folder, urllib.parse.unquote(address)))


def _xml(data: bytes) -> etree._Element:
    # An untrusted file: resolve no entities, follow no addresses.
    return etree.fromstring(data, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False))


def _package(book: zipfile.ZipFile) -> str:
    found = _xml(book.read(_CONTAINER)).find(".//{*}rootfile")
    if found is None:
        raise KeyError("rootfile")
    return str(found.get("full-path") or "")


def _spine(book: zipfile.ZipFile, package: str) -> tuple[str, list[str]]:
    root = _xml(book.read(package))
    folder = posixpath.dirname(package)
    parts = {
        item.get("id"): _within(folder, item.get("href") or "")
        for item in root.iterfind(".//{*}manifest/{*}item")
        if item.get("media-type") in _PAGES
    }
    title = root.findtext(".//{*}metadata/{*}title") or ""
    order = [item.get("idref") for item in root.iterfind(".//{*}spine/{*}itemref")]
    # Drop repeated entries: else a small book could have one large chapter read a thousand times.
    chapters = [*dict.fromkeys(parts[one] for one in order if one in parts)]
    if not chapters:
        raise KeyError("spine")
    return title.strip(), chapters


def _refuse_locked(book: zipfile.ZipFile, chapters: list[str]) -> None:
    """Raise for encrypted chapters (copy protection); obfuscated fonts are common and do not matter."""
    names = {*book.namelist()}
    shop = next((text for name, text in _SHOPS.items() if name in names), "")
    if _RIGHTS not in names:
        return
    try:
        rights = _xml(book.read(_RIGHTS))
    except (*archives.DAMAGED, etree.XMLSyntaxError):
        locked = bool(shop)  # what is encrypted cannot be read, but something is
    else:
        named = {str(one.get("URI")) for one in rights.iterfind(".//{*}CipherReference")}
        locked = bool(
            {posixpath.normpath(urllib.parse.unquote(one).lstrip("/")) for one in named} & {*chapters}
        )
    if locked:
        raise Unreadable(
            "encrypted",
            f"the book is locked by its publisher (DRM{shop}), and opens in the shop's programs only; ask the"
            " publisher or the shop for a copy without DRM, or add its text as another file",
        )
