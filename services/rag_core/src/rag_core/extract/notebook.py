"""Jupyter notebooks: the text and the code of their cells, and the text of their results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rag_core.extract import text
from rag_core.extract.blocks import BlockKind, Head, Item, Note, Part, Unreadable, blocks

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
    empty, pictures = True, 0
    for cell in cells if isinstance(cells, list) else []:
        if not isinstance(cell, dict):
            continue
        for block in _cell(cell):
            empty = False
            yield block
        pictures += sum(_is_picture(one) for one in _results(cell))
    if empty:
        raise Unreadable("no_text", "the notebook holds no text")
    if pictures:
        many = "a picture" if pictures == 1 else f"{pictures} pictures"
        message = f"{many} among the results of the notebook"
        yield Note(Part.PICTURE, pictures, read=False, message=message)


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


def _results(cell: dict[str, Any]) -> list[dict[str, Any]]:
    results = cell.get("outputs")
    return [one for one in results if isinstance(one, dict)] if isinstance(results, list) else []


def _is_picture(result: dict[str, Any]) -> bool:
    data = result.get("data")
    return isinstance(data, dict) and any(str(kind).startswith("image/") for kind in data)


def _joined(value: object) -> str:
    """Notebooks keep a text as one string or as a list of lines."""
    if isinstance(value, list):
        return "".join(str(one) for one in value)
    return value if isinstance(value, str) else ""
