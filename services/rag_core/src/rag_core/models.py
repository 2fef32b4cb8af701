"""The immutable values passed between the parts of rag_core and to its callers."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of every value here: immutable; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class DocumentState(StrEnum):
    """The state of a document in the ledger."""

    QUEUED = "queued"
    PROCESSING = "processing"
    READY = "ready"
    FAILED = "failed"
    DELETING = "deleting"
    DELETED = "deleted"


class DocumentKind(StrEnum):
    """The kind of a file by its content, whatever its name."""

    PDF = "pdf"
    DOCX = "docx"
    PPTX = "pptx"
    XLSX = "xlsx"
    CSV = "csv"
    OPENDOCUMENT = "opendocument"
    RTF = "rtf"
    EPUB = "epub"
    EMAIL = "email"
    HTML = "html"
    XML = "xml"  # feeds, drawings, Office 2003, any other XML
    NOTEBOOK = "notebook"
    MARKDOWN = "markdown"
    TEXT = "text"
    UNKNOWN = "unknown"  # a file put there by hand that cannot be read; kept as failed, with the reason


class ReadingReport(Frozen):
    """What was read of a document, and what was not."""

    parts: dict[str, int] = Field(default_factory=dict)  # kind ("table") -> how many were read
    remarks: tuple[str, ...] = ()  # remarks on what was read, whole sentences
    unread: tuple[str, ...] = ()  # parts that could not be read: where, what and why, whole sentences
    more: int = 0  # further remarks and unread parts that are not listed
    words: int = 0  # words that the parser yielded
    words_lost: int = 0  # of those, words that are in no chunk


class Document(Frozen):
    """One content, known by its hash, under one or more names."""

    id: str
    name: str
    names: tuple[str, ...] = ()
    kind: DocumentKind
    state: DocumentState
    code: str | None = None  # stable code for `reason`, for programs
    reason: str | None = None
    pages: int | None = None
    pages_done: int = 0
    chunks: int = 0
    size: int
    sha256: str
    attempts: int = 0
    report: ReadingReport | None = None  # from the last reading that made it ready
    created_at: datetime
    updated_at: datetime


class Ingestion(Frozen):
    """The worker's progress; rates are those of the last five minutes in which it worked."""

    documents_left: int
    pages_in_hand: int  # of the document being read
    pages_in_hand_done: int
    chunks_left: int  # estimated from the sizes of waiting documents
    documents_per_minute: float
    pages_per_minute: float
    chunks_per_minute: float
    seconds_left: int | None = None  # None: nothing to do, or rate still unknown
    paused: str | None = None  # why it waits: the dependency that is down
    questions_first: int = 0  # questions being answered, which go first
    rebuilding: int | None = None  # documents still to be read into a new index, if one is being built


class Passage(Frozen):
    """A stretch of one document, as retrieval found it."""

    document_id: str
    document: str  # the name shown to users
    title: str  # headings above it, outermost first, joined by " > "
    page_start: int
    page_end: int
    text: str
    score: float  # fused score; comparable within one result only
    similarity: float | None = None  # cosine with the question, if the vector search found it
    bm25_score: float | None = None
    bm25_rank: int | None = None
    vector_rank: int | None = None
    # (character offset in text, page that starts there), so a citation can name the exact page
    page_marks: tuple[tuple[int, int], ...] = ()
    also_in: tuple[str, ...] = ()  # names of other documents that contain the same text word for word


class Citation(Frozen):
    """A numbered pointer from the answer to the passage that supports it."""

    number: int
    document_id: str
    document: str
    title: str = ""
    page_start: int
    page_end: int
    passage: str
    also_in: tuple[str, ...] = ()  # as in Passage


class SentenceSupport(Frozen):
    """One sentence of an answer with the numbers of the citations that support it; none: unsupported."""

    text: str
    citations: tuple[int, ...] = ()


class Filters(Frozen):
    """Which documents to search: all given conditions must be met; without any, all are searched."""

    documents: tuple[str, ...] | None = None  # ids
    kinds: tuple[DocumentKind, ...] = ()
    tags: tuple[str, ...] = ()  # a document must have all of them
    added_from: datetime | None = None
    added_to: datetime | None = None

    @property
    def given(self) -> bool:
        """Whether any filter is set."""
        return self != Filters()


class Question(Frozen):
    """A question and how to answer it; what is not given comes from the deployment's settings."""

    text: str
    model: str | None = None
    top_k: int | None = None
    timeout: float | None = None  # seconds for one model; can only shorten the deployment's own timeout
    history: tuple[tuple[str, str], ...] = ()  # earlier questions with their answers, oldest first
    filters: Filters | None = None
    fresh: bool = False  # do not use a cached answer


class Timings(Frozen):
    """Seconds of each step of one answer; `embed` and `search` are parts of `retrieve`."""

    retrieve: float = 0.0
    embed: float = 0.0
    search: float = 0.0
    first_token: float | None = None
    generate: float = 0.0
    cite: float = 0.0
    total: float = 0.0


class Tokens(Frozen):
    """What the chat model read and wrote, in its own tokens."""

    prompt: int = 0
    answer: int = 0


class Why(Frozen):
    """How one passage came into an answer."""

    document_id: str
    document: str
    page_start: int
    page_end: int
    score: float
    bm25_rank: int | None
    bm25_score: float | None
    vector_rank: int | None
    similarity: float | None
    words: tuple[str, ...]  # words of the question, as asked, that the passage contains
    given: bool  # whether the model was shown it


class Explain(Frozen):
    """Why this answer: what was searched, what was found and how, which model wrote it and by which rule."""

    query: str
    rewritten: bool  # a follow-up question was completed from the conversation
    routing: str  # the rule that chose the model
    needed: float  # cosine required of the nearest passage
    nearest: float | None
    words: dict[str, int]  # telling word of the question -> number of chunks that contain it
    passages: tuple[Why, ...]


class Answer(Frozen):
    """An answer. `degraded` and `reason` say when it is less than a complete answer of the chosen model.

    reason is None or one of: "no_relevant_passage", "fallback_model", "no_model", "cut_by_length",
    "cut_by_time", "cut_by_repetition". Only "no_model" and an answer of a fallback model, cut or
    not, set degraded.
    """

    answer: str
    citations: tuple[Citation, ...] = ()
    sentences: tuple[SentenceSupport, ...] = ()
    passages: tuple[Passage, ...] = ()
    model: str | None = None
    degraded: bool = False
    reason: str | None = None
    timings: Timings = Field(default_factory=Timings)
    tokens: Tokens | None = None
    cached: bool = False  # the same question was answered before, and nothing has changed since
    explain: Explain | None = None
    host: str | None = None  # where the model runs if not on this server; None: here
    remarks: tuple[str, ...] = ()  # why remote models did less than requested, whole sentences


class Quote(Frozen):
    """Sentences of a document, verbatim, that come nearest to an answer."""

    text: str
    document_id: str
    document: str
    title: str = ""
    page_start: int
    page_end: int


class Retrieved(Frozen):
    """First event of an answer: what was found, the query that found it, and the best sentences.

    It is sent again if documents changed before the model was free; the later one is valid.
    """

    passages: tuple[Passage, ...]
    query: str = ""
    quotes: tuple[Quote, ...] = ()  # best first; empty if the documents do not cover the question
    needs_model: bool = True  # whether a model writes the answer; if not, Done is next
    model: str | None = None  # the model that is asked first


class Reading(Frozen):
    """A model begins to read the passages of its prompt."""

    model: str
    passages: int
    seconds: float | None = None  # estimated time for that; None if this host's rate is unknown


class Token(Frozen):
    """A piece of the answer as the model writes it."""

    text: str


class Switched(Frozen):
    """The previous model failed: discard its tokens, `model` starts again."""

    model: str
    reason: str
    host: str | None = None  # as in Answer


class Done(Frozen):
    """Last event: the whole answer with citations, which replaces the streamed text."""

    answer: Answer


AnswerEvent = Retrieved | Reading | Token | Switched | Done


class ComponentHealth(Frozen):
    """Whether one dependency answers, how fast, and if not, why."""

    ok: bool
    latency_ms: float | None = None
    detail: str = ""


class HealthReport(Frozen):
    """The health of the stores and models, as seen from this service."""

    opensearch: ComponentHealth
    ollama: ComponentHealth
    models: dict[str, bool] = Field(default_factory=dict)  # configured model -> present, or reachable
    remote: ComponentHealth | None = None  # the proxy to remote models; None: there are none
    can_write: bool = False  # a chat model can be asked

    @property
    def ok(self) -> bool:
        """True when every dependency answers and every configured model is available."""
        return self.opensearch.ok and self.ollama.ok and all(self.models.values())
