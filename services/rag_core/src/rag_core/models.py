"""The frozen values that pass between the parts of rag_core and out of it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Frozen(BaseModel):
    """Base of every value here: immutable, and a misspelt field is an error."""

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
    """What a file is by its content, whatever its name says."""

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
    XML = "xml"  # feeds, drawings, Office 2003, any other
    NOTEBOOK = "notebook"
    MARKDOWN = "markdown"
    TEXT = "text"
    UNKNOWN = "unknown"  # a file put there by hand that cannot be read; kept as failed with its reason


class ReadingReport(Frozen):
    """What was read of a document, and what was not."""

    parts: dict[str, int] = Field(default_factory=dict)  # kind ("table") -> how many were read
    remarks: tuple[str, ...] = ()  # worth knowing of what was read, whole sentences
    unread: tuple[str, ...] = ()  # parts that could not be read: where, what and why, whole sentences
    more: int = 0  # further remarks and unread parts that are not listed
    words: int = 0  # that the parser gave
    words_lost: int = 0  # of those, how many stand in no chunk


class Document(Frozen):
    """One content, known by its hash, under one or more names."""

    id: str
    name: str
    names: tuple[str, ...] = ()
    kind: DocumentKind
    state: DocumentState
    code: str | None = None  # stable code of `reason`, for programs
    reason: str | None = None
    pages: int | None = None
    pages_done: int = 0
    chunks: int = 0
    size: int
    sha256: str
    attempts: int = 0
    report: ReadingReport | None = None  # of the last reading that made it ready
    created_at: datetime
    updated_at: datetime


class Ingestion(Frozen):
    """The progress of the worker; rates are those of the last five minutes in which it worked."""

    documents_left: int
    pages_in_hand: int  # of the document being read
    pages_in_hand_done: int
    chunks_left: int  # estimated from the sizes of what waits
    documents_per_minute: float
    pages_per_minute: float
    chunks_per_minute: float
    seconds_left: int | None = None  # None: nothing to do, or no rate known yet
    paused: str | None = None  # why it waits: what is away
    questions_first: int = 0  # people who are being answered, whom it lets go first
    rebuilding: int | None = None  # documents still to be read into a new index, when one is made


class Passage(Frozen):
    """A stretch of one document, as retrieval found it."""

    document_id: str
    document: str  # the name people see
    title: str  # headings above it, outermost first, joined by " > "
    page_start: int
    page_end: int
    text: str
    score: float  # fused score; comparable within one result only
    similarity: float | None = None  # cosine with the question, when the vector search saw it
    bm25_score: float | None = None
    bm25_rank: int | None = None
    vector_rank: int | None = None
    # (character offset in text, page that starts there), so a citation can name the exact page
    page_marks: tuple[tuple[int, int], ...] = ()
    also_in: tuple[str, ...] = ()  # names of other documents that hold the same text word for word


class Citation(Frozen):
    """A numbered pointer from the answer to the passage that supports it."""

    number: int
    document_id: str
    document: str
    title: str = ""
    page_start: int
    page_end: int
    passage: str
    also_in: tuple[str, ...] = ()  # as of the passage


class SentenceSupport(Frozen):
    """One sentence of an answer with the numbers of the citations that hold it up; none: unsupported."""

    text: str
    citations: tuple[int, ...] = ()


class Filters(Frozen):
    """Which documents to ask: each given condition must hold; none given means all."""

    documents: tuple[str, ...] | None = None  # ids
    kinds: tuple[DocumentKind, ...] = ()
    tags: tuple[str, ...] = ()  # a document must have each
    added_from: datetime | None = None
    added_to: datetime | None = None

    @property
    def given(self) -> bool:
        """Whether anything is left out at all."""
        return self != Filters()


class Question(Frozen):
    """A question, and how it is to be answered; what is not given is the deployment's own."""

    text: str
    model: str | None = None
    top_k: int | None = None
    timeout: float | None = None  # seconds for one model; shortens the deployment's own
    history: tuple[tuple[str, str], ...] = ()  # earlier questions with their answers, oldest first
    filters: Filters | None = None
    fresh: bool = False  # ask again what the cache could answer


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
    words: tuple[str, ...]  # of the question, as asked, that the passage holds
    given: bool  # whether the model was shown it


class Explain(Frozen):
    """Why this answer: what was searched, what was found and how, who wrote and by which rule."""

    query: str
    rewritten: bool  # a follow-up question was completed from the conversation
    routing: str  # the rule that chose the model
    needed: float  # cosine asked of the nearest passage
    nearest: float | None
    words: dict[str, int]  # telling word of the question -> chunks that hold it
    passages: tuple[Why, ...]


class Answer(Frozen):
    """What a person gets. `degraded` and `reason` say honestly when it is less than a model's answer.

    reason is None or one of: "no_relevant_passage", "fallback_model", "no_model", "cut_by_length",
    "cut_by_time", "cut_by_repetition". Only "no_model" and "fallback_model" set degraded.
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
    cached: bool = False  # the same question was answered before and nothing has changed since
    explain: Explain | None = None
    host: str | None = None  # outside this server, where the model runs; None: here
    remarks: tuple[str, ...] = ()  # why remote models did less than was asked of them, whole sentences


class Quote(Frozen):
    """Sentences of a document, word for word, that come nearest to an answer."""

    text: str
    document_id: str
    document: str
    title: str = ""
    page_start: int
    page_end: int


class Retrieved(Frozen):
    """First event of an answer: what was found, the query that found it, and the best sentences.

    It comes again when documents have changed before the model was free; the later one holds.
    """

    passages: tuple[Passage, ...]
    query: str = ""
    quotes: tuple[Quote, ...] = ()  # best first; none when the documents do not cover the question
    needs_model: bool = True  # whether a model writes the answer; else Done is next
    reading: int = 0  # passages that the model reads
    read_seconds: float | None = None  # for about how long; None when this host's rate is not known


class Token(Frozen):
    """A piece of the answer as the model writes it."""

    text: str


class Switched(Frozen):
    """The model named before failed; drop its tokens, `model` starts afresh."""

    model: str
    reason: str
    host: str | None = None  # as of an answer


class Done(Frozen):
    """Last event: the whole answer with citations attached; replaces the streamed text."""

    answer: Answer


AnswerEvent = Retrieved | Token | Switched | Done


class ComponentHealth(Frozen):
    """Whether one dependency answers, how fast, and if not, why."""

    ok: bool
    latency_ms: float | None = None
    detail: str = ""


class HealthReport(Frozen):
    """The stores and models as seen from here."""

    opensearch: ComponentHealth
    ollama: ComponentHealth
    models: dict[str, bool] = Field(default_factory=dict)  # configured model -> present, or reachable
    remote: ComponentHealth | None = None  # the way to remote models; None: there are none

    @property
    def ok(self) -> bool:
        """True when every dependency answers and every configured model is there."""
        return self.opensearch.ok and self.ollama.ok and all(self.models.values())
