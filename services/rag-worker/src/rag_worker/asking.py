"""Options of `ask` and `search`, and how their results are shown."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console

from rag_core.models import Answer, DocumentKind, Filters, Passage

Documents = Annotated[
    list[str] | None, typer.Option("--document", help="Only this document (id); repeatable.")
]
Kinds = Annotated[list[DocumentKind] | None, typer.Option("--type", help="Only this kind; repeatable.")]
WithTags = Annotated[
    list[str] | None, typer.Option("--tag", help="Only documents with this tag; repeated: with each.")
]
_FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Since = Annotated[
    datetime | None, typer.Option(formats=_FORMATS, help="Only documents added at this time (UTC) or later.")
]
Until = Annotated[
    datetime | None, typer.Option(formats=_FORMATS, help="Only documents added before this time (UTC).")
]


def filters(
    documents: Sequence[str] | None,
    kinds: Sequence[DocumentKind] | None,
    tags: Sequence[str] | None,
    since: datetime | None,
    until: datetime | None,
) -> Filters:
    """Convert the options to rag_core's filters; a time without a zone is UTC."""
    return Filters(
        documents=tuple(documents) if documents else None,
        kinds=tuple(kinds or ()),
        tags=tuple(tags or ()),
        added_from=_utc(since),
        added_to=_utc(until),
    )


def show_sources(answer: Answer, out: Console) -> None:
    """Print the answer's sources, and the sentences that no passage supports."""
    for remark in answer.remarks:
        out.print(remark, markup=False)
    if answer.host:
        out.print(f"Written by {answer.model} at {answer.host}, outside this server.", markup=False)
    for one in answer.citations:
        place = f"[{one.number}] {one.document}, page {one.page_start}"
        out.print(f"{place}: {' '.join(one.passage.split())[:200]}", markup=False)
    doubted = [one.text.strip() for one in answer.sentences if not one.citations and one.text.strip()]
    if doubted and answer.model is not None:
        out.print("\nNot wholly supported by any passage:", style="bold")
        for sentence in doubted:
            out.print(f"  ? {sentence}", markup=False)


def show_passages(passages: Sequence[Passage], out: Console) -> None:
    """Print the passages, numbered."""
    for number, one in enumerate(passages, 1):
        title = f", {one.title}" if one.title else ""
        out.print(f"{number}. {one.document}, page {one.page_start}{title}", style="bold", markup=False)
        out.print(f"   {' '.join(one.text.split())[:300]}", markup=False)


def _utc(moment: datetime | None) -> datetime | None:
    return moment.replace(tzinfo=UTC) if moment is not None and moment.tzinfo is None else moment
