"""API schemas of documents."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Self

from pydantic import BaseModel, Field

from rag_app.schemas.base import Given, PublicState
from rag_core.ledger.tags import LONGEST, MOST
from rag_core.models import (
    Document,
    ReadingReport,
)


class UploadAccepted(BaseModel):
    """The document was stored and queued, or was known already."""

    id: str
    state: PublicState


class ReportOut(BaseModel):
    """Which parts of a document were read, and which were not."""

    parts: dict[str, int] = Field(description="how many of each kind of part were read, beside plain text")
    remarks: list[str] = Field(description="worth knowing of what was read")
    unread: list[str] = Field(description="parts that could not be read: where, what and why")
    more: int = Field(description="further lines of the two lists above that were not stored")
    words: int = Field(description="words that the parser gave")
    words_lost: int = Field(description="of those, how many cannot be searched; anything but 0 is a fault")

    @classmethod
    def of(cls, report: ReadingReport) -> Self:
        """From the ledger's view."""
        return cls.model_validate(report.model_dump(mode="json"))


class DocumentOut(BaseModel):
    """One document and its state."""

    id: str
    name: str
    names: list[str] = Field(description="every name this content was uploaded under")
    state: PublicState
    code: str | None = Field(description="stable code of the reason, when failed")
    reason: str | None = Field(description="why it failed, for people")
    pages: int | None
    pages_done: int
    chunks: int
    size: int
    sha256: str
    attempts: int
    created_at: datetime
    updated_at: datetime
    report: ReportOut | None = Field(description="when ready: what was read, and what was not")
    tags: list[str] = Field(description="words that people put on it, in one spelling")

    @classmethod
    def of(cls, document: Document, tags: Sequence[str] = ()) -> Self:
        """From the ledger's view, with its tags."""
        return cls.model_validate({**document.model_dump(mode="json"), "tags": list(tags)})


class DocumentList(BaseModel):
    """Documents, newest first."""

    documents: list[DocumentOut]


class TagsIn(Given):
    """All tags that a document is to have; an empty list removes them."""

    tags: list[Annotated[str, Field(min_length=1, max_length=LONGEST)]] = Field(max_length=MOST)


class TagsOut(BaseModel):
    """Tags as they are stored: lower case, sorted."""

    tags: list[str]
