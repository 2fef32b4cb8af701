"""Jupyter notebooks: the text and the code of cells, and the text of their output."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_core.extract import blobs, text
from rag_core.extract.blocks import Block, BlockKind, Head, Item, Picture, Unreadable, blocks

_READ = ("image/png", "image/jpeg", "image/gif", "image/webp")
_MOST_BYTES = 100 * 1024 * 1024


def parse(path: Path) -> Iterator[Item]:
    """Head and blocks of a notebook."""
    if path.stat().st_size > _MOST_BYTES:
        raise Unreadable("too_large", "the notebook is over 100 MiB; clear its results and save it again")
    try:
        cells = json.loads(path.read_bytes())["cells"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Unreadable(
            "corrupt", "the notebook is no valid JSON with cells; copy or download it again"
        ) from error
    yield Head(title="", pages=1)
    empty = True
    for cell in cells if isinstance(cells, list) else []:
        if not isinstance(cell, dict):
            continue
        for item in _cell(cell):
            empty = empty and not isinstance(item, Block)
            yield item
    if empty:
        raise Unreadable("no_text", "the notebook holds no text")


def _cell(cell: dict[str, Any]) -> Iterator[Item]:
    written = _joined(cell.get("source"))
    if cell.get("cell_type") == "markdown":
        yield from text.blocks_of(iter(written.splitlines(keepends=True)), markdown=True)
    else:
        yield from blocks(BlockKind.CODE, written, 1)
    for result in _results(cell):
        data = result.get("data") if isinstance(result.get("data"), dict) else {}
        shown = _joined(result.get("text")) or _joined((data or {}).get("text/plain"))
        yield from blocks(BlockKind.CODE, shown, 1)
        yield from _pictures(data, "among the results")
    attached = cell.get("attachments")
    for data in attached.values() if isinstance(attached, dict) else ():
        yield from _pictures(data, "")


def _pictures(data: object, where: str) -> Iterator[Picture]:
    """Yield an output's picture, which may be stored in several formats."""
    formats = data if isinstance(data, dict) else {}
    found = [blobs.decoded(_joined(written)) for kind, written in formats.items() if kind in _READ]
    if found or any(str(kind).startswith("image/") for kind in formats):
        yield Picture(found[0] if found else b"", 1, where)


def _results(cell: dict[str, Any]) -> list[dict[str, Any]]:
    results = cell.get("outputs")
    return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []


def _joined(value: object) -> str:
    """Return a text, which notebooks store as one string or as a list of lines."""
    if isinstance(value, list):
        return "".join(str(one) for one in value)
    return value if isinstance(value, str) else ""
