"""What the JSON API takes and gives."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from rag_core.conversations import Conversation, Day, Feedback, Summary
from rag_core.embed import Contract
from rag_core.models import (
    Answer,
    Document,
    DocumentKind,
    Explain,
    Filters,
    Ingestion,
    Passage,
    ReadingReport,
    SentenceSupport,
    Timings,
    Tokens,
)
from rag_core.tags import LONGEST, MOST
from rag_core.words import spans

_ALSO_IN = "names of other documents with the same passage word for word"

PublicState = Literal["queued", "processing", "ready", "failed"]


class Given(BaseModel):
    """Base of request bodies: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)


class UploadAccepted(BaseModel):
    """The document was stored and is in the queue (or was known already)."""

    id: str
    state: PublicState


class ReportOut(BaseModel):
    """What was read of a document, and what was not."""

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
    """All tags that a document is to have; none takes them away."""

    tags: list[Annotated[str, Field(min_length=1, max_length=LONGEST)]] = Field(max_length=MOST)


class TagsOut(BaseModel):
    """Tags as they are stored: lower case, sorted."""

    tags: list[str]


class FiltersIn(Given):
    """Which documents are searched; every given condition must apply."""

    documents: list[Annotated[str, Field(max_length=64)]] | None = Field(
        default=None, max_length=1000, description="ids of documents"
    )
    types: list[DocumentKind] = Field(default_factory=list, max_length=20)
    tags: list[Annotated[str, Field(min_length=1, max_length=40)]] = Field(
        default_factory=list, max_length=12, description="a document must have each"
    )
    added_from: AwareDatetime | None = None
    added_to: AwareDatetime | None = Field(default=None, description="exclusive")

    def meant(self) -> Filters:
        """As rag_core takes them."""
        return Filters(
            documents=None if self.documents is None else tuple(self.documents),
            kinds=tuple(self.types),
            tags=tuple(self.tags),
            added_from=self.added_from,
            added_to=self.added_to,
        )


class SearchRequest(Given):
    """A search without a model."""

    query: str = Field(min_length=1, max_length=2000)
    top_k: int = Field(default=5, ge=1, le=50)
    filters: FiltersIn = Field(default_factory=FiltersIn)


class SearchResult(BaseModel):
    """A passage that fits, and how it was found."""

    document_id: str
    document: str
    title: str
    page_start: int
    page_end: int
    passage: str
    score: float = Field(description="fused score; comparable within one result only")
    similarity: float | None = Field(description="cosine of question and passage")
    bm25_rank: int | None
    bm25_score: float | None
    vector_rank: int | None
    highlights: list[tuple[int, int]] = Field(description="where words of the question are in the passage")
    also_in: list[str] = Field(description=_ALSO_IN)

    @classmethod
    def of(cls, passage: Passage, query: str) -> Self:
        """From retrieval's view."""
        return cls(
            document_id=passage.document_id,
            document=passage.document,
            title=passage.title,
            page_start=passage.page_start,
            page_end=passage.page_end,
            passage=passage.text,
            score=passage.score,
            similarity=passage.similarity,
            bm25_rank=passage.bm25_rank,
            bm25_score=passage.bm25_score,
            vector_rank=passage.vector_rank,
            highlights=spans(passage.text, query),
            also_in=list(passage.also_in),
        )


class SearchResults(BaseModel):
    """Passages, best first."""

    results: list[SearchResult]


class Turn(Given):
    """An earlier question with its answer."""

    question: str = Field(min_length=1, max_length=2000)
    answer: str = Field(max_length=20_000)


class AskRequest(Given):
    """A question; `model`, `top_k` and `timeout` override the settings for this one."""

    question: str = Field(min_length=1, max_length=2000)
    model: str | None = Field(default=None, max_length=200)
    top_k: int | None = Field(default=None, ge=1, le=20)
    timeout: float | None = Field(default=None, ge=1, le=3600, description="seconds for one model's answer")
    history: list[Turn] = Field(
        default_factory=list, max_length=50, description="earlier turns, oldest first; what fits is used"
    )
    conversation: str | None = Field(
        default=None, max_length=64, description="its stored turns are the history; the answer joins them"
    )
    filters: FiltersIn = Field(default_factory=FiltersIn)
    fresh: bool = Field(
        default=False, description="answer again even if the same question was answered before"
    )


class CitationOut(BaseModel):
    """The passage behind a mark such as [1] in the answer."""

    number: int
    document_id: str
    document: str
    title: str
    page_start: int
    page_end: int
    passage: str
    also_in: list[str] = Field(description=_ALSO_IN)


class AskAnswer(BaseModel):
    """The answer and what it rests on."""

    answer: str
    citations: list[CitationOut]
    sentences: list[SentenceSupport] = Field(
        description="each sentence with the numbers of its citations; none: no passage supports it"
    )
    model: str | None = Field(description="the model that wrote it; null when none answered")
    degraded: bool = Field(description="true when a fallback model or no model answered")
    reason: str | None = Field(description="why it is less than a whole answer, as a stable code")
    cached: bool = Field(description="answered before, and nothing has changed since")
    passages: list[SearchResult] = Field(description="what retrieval found, best first")
    tokens: Tokens | None = Field(description="as the model counted them")
    timings: Timings
    explain: Explain | None = Field(description="what was searched, found and how; who wrote, by which rule")
    exchange: str | None = Field(default=None, description="its id in the conversation, for feedback")

    @classmethod
    def of(cls, answer: Answer, exchange: str | None = None) -> Self:
        """From rag_core's view."""
        query = answer.explain.query if answer.explain is not None else ""
        return cls(
            answer=answer.answer,
            citations=[CitationOut.model_validate(one.model_dump()) for one in answer.citations],
            sentences=list(answer.sentences),
            model=answer.model,
            degraded=answer.degraded,
            reason=answer.reason,
            cached=answer.cached,
            passages=[SearchResult.of(passage, query) for passage in answer.passages],
            tokens=answer.tokens,
            timings=answer.timings,
            explain=answer.explain,
            exchange=exchange,
        )


class ConversationStart(Given):
    """The title of a new conversation: its first question will do."""

    title: str = Field(min_length=1, max_length=2000)


class ConversationSummary(BaseModel):
    """A conversation as a list shows it."""

    id: str
    title: str
    questions: int
    updated_at: datetime

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """From the store's view."""
        return cls.model_validate(summary.model_dump())


class ConversationList(BaseModel):
    """Conversations, newest first."""

    conversations: list[ConversationSummary]


class ExchangeOut(BaseModel):
    """A question with its answer."""

    id: str
    question: str
    answer: AskAnswer
    asked_at: datetime
    feedback: Feedback | None


class ConversationOut(BaseModel):
    """A conversation, oldest question first."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    exchanges: list[ExchangeOut]

    @classmethod
    def of(cls, one: Conversation) -> Self:
        """From the store's view."""
        return cls(
            id=one.id,
            title=one.title,
            created_at=one.created_at,
            updated_at=one.updated_at,
            exchanges=[
                ExchangeOut(
                    id=exchange.id,
                    question=exchange.question,
                    answer=AskAnswer.of(exchange.answer, exchange.id),
                    asked_at=exchange.asked_at,
                    feedback=exchange.feedback,
                )
                for exchange in one.exchanges
            ],
        )


class FeedbackIn(Given):
    """What an answer was worth."""

    feedback: Feedback | None


class Insights(BaseModel):
    """Figures by day."""

    days: list[Day]


class Alive(BaseModel):
    """This process answers. Says nothing about its dependencies."""

    status: Literal["ok"] = "ok"


class Light(BaseModel):
    """Whether questions can be answered: green, amber (slow, or a model is missing), red (no)."""

    light: Literal["green", "amber", "red"]


class Component(BaseModel):
    """One thing the app depends on."""

    state: Literal["green", "amber", "red"]
    latency_ms: float | None
    detail: str


class Status(BaseModel):
    """Everything an operator checks first."""

    release: str
    version: str = Field(description="version of Ragdock that made the release")
    status: Literal["green", "amber", "red"]
    documents: dict[PublicState, int]
    ingestion: Ingestion = Field(description="what the worker does: how much is left, how fast, how long")
    opensearch: Component
    ollama: Component
    models: dict[str, bool] = Field(description="configured model: is it there")
    index_contract: Contract | None = Field(
        description="what this release makes an index with; null while its embedder does not answer"
    )
    questions_in_line: int
