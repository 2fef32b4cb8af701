"""API schemas of questions, searches and answers."""

from typing import Annotated, Self

from pydantic import AwareDatetime, BaseModel, Field

from rag_app.schemas.base import Given
from rag_core.models import (
    Answer,
    DocumentKind,
    Explain,
    Filters,
    Passage,
    SentenceSupport,
    Timings,
    Tokens,
)
from rag_core.text.words import spans

_ALSO_IN = "names of other documents with the same passage word for word"


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
        """Convert them to rag_core's filters."""
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
    """A matching passage, and how it was found."""

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
    """The answer and its sources."""

    answer: str
    citations: list[CitationOut]
    sentences: list[SentenceSupport] = Field(
        description="each sentence with the numbers of its citations; none: no passage supports it"
    )
    model: str | None = Field(description="the model that wrote it; null when none answered")
    host: str | None = Field(
        default=None, description="where the model runs, if outside this server: the text went there"
    )
    degraded: bool = Field(description="true when a fallback model or no model answered")
    reason: str | None = Field(description="why it is less than a whole answer, as a stable code")
    remarks: list[str] = Field(
        default_factory=list, description="what remote models did not do, and why, in whole sentences"
    )
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
            host=answer.host,
            remarks=list(answer.remarks),
            degraded=answer.degraded,
            reason=answer.reason,
            cached=answer.cached,
            passages=[SearchResult.of(passage, query) for passage in answer.passages],
            tokens=answer.tokens,
            timings=answer.timings,
            explain=answer.explain,
            exchange=exchange,
        )
