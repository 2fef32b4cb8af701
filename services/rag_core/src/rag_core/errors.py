"""Every error a caller of rag_core can meet: a stable code, an HTTP status, and what to do about it.

    RagError
    ├── UploadRefused        the person's file; nothing was stored
    │   └── StorageFull      the documents' disk has no room for it
    ├── ExtractionFailed     the file's content; kept in the ledger as the document's reason
    ├── DocumentNotFound
    ├── QuestionRefused      empty or over-long question
    ├── Unavailable          a dependency is down or overloaded; trying later helps
    │   ├── OpenSearchUnavailable
    │   └── ModelUnavailable
    │       ├── OllamaUnavailable
    │       └── RemoteUnavailable    the server of a remote model is away or overloaded
    │           ├── RemoteBusy       it takes no more requests for now
    │           ├── RemoteDenied     it refuses the key or the account
    │           └── BudgetUsed       the model's tokens of the day are used up
    ├── ModelMissing         Ollama, or a remote server, answers but does not hold the model
    ├── InputTooLong         one text over a model's window
    ├── ModelRefused
    │   ├── OllamaRefused    Ollama does not take what it is given
    │   └── RemoteRefused    nor does the server of a remote model
    ├── ContractMismatch     the index was made with another embedder or chunker
    ├── OpenSearchRefused    OpenSearch answered with an error that waiting does not cure
    ├── DocumentRefused      OpenSearch does not take this document's chunks; others go on
    └── RestoreRefused       a backup's ledger does not fit; the live one is as it was

Errors of opensearch-py, ollama, openai and httpx are translated where those clients are called, and never
leave.
"""

# ruff: noqa: N818 - errors are named for what happened

from __future__ import annotations


class RagError(Exception):
    """Base: `code` is stable for programs, `message` tells a person what to do."""

    code = "rag_error"
    http_status = 500

    def __init__(self, message: str, *, code: str | None = None, http_status: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        if http_status is not None:
            self.http_status = http_status


class UploadRefused(RagError):
    """The file was not taken; codes: upload_empty, upload_too_large, upload_unsupported, upload_bad_name."""

    code = "upload_refused"
    http_status = 422


class StorageFull(UploadRefused):
    """The documents' disk has no room; everything stored before is as it was."""

    code = "storage_full"
    http_status = 507


class ExtractionFailed(RagError):
    """The file cannot be read; `retryable` only when another attempt may end differently."""

    code = "extraction_failed"
    http_status = 422

    def __init__(self, message: str, *, code: str, retryable: bool = False) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable


class DocumentNotFound(RagError):
    """No document has this id (any more)."""

    code = "document_not_found"
    http_status = 404


class QuestionRefused(RagError):
    """The question is empty or too long."""

    code = "question_refused"
    http_status = 422


class Unavailable(RagError):
    """A dependency does not answer; the same call works once it is back."""

    code = "unavailable"
    http_status = 503


class OpenSearchUnavailable(Unavailable):
    """OpenSearch does not answer or sheds load."""

    code = "opensearch_unavailable"


class ModelUnavailable(Unavailable):
    """Whatever runs a model does not answer."""

    code = "model_unavailable"


class OllamaUnavailable(ModelUnavailable):
    """Ollama does not answer in time."""

    code = "ollama_unavailable"


class RemoteUnavailable(ModelUnavailable):
    """The server of a remote model, or the way to it, does not answer as it should."""

    code = "remote_unavailable"


class RemoteBusy(RemoteUnavailable):
    """The server of a remote model takes no more requests for now (HTTP 429); it may have said how long."""

    code = "remote_busy"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteDenied(RemoteUnavailable):
    """The server of a remote model refuses the key, the account, or whatever it is given."""

    code = "remote_denied"


class BudgetUsed(RemoteUnavailable):
    """A remote model has used its tokens of the day; midnight (UTC) helps."""

    code = "remote_budget_used"

    def __init__(self, message: str, *, most: int, tokens_per_day: int) -> None:
        super().__init__(message)
        self.most = most  # that the request may cost
        self.tokens_per_day = tokens_per_day


class ModelMissing(RagError):
    """A configured model is not where it should run."""

    code = "model_missing"
    http_status = 503


class InputTooLong(RagError):
    """A text is over a model's window."""

    code = "input_too_long"
    http_status = 422


class ModelRefused(RagError):
    """A model does not take what it is given; giving it again changes nothing."""

    code = "model_refused"
    http_status = 502


class OllamaRefused(ModelRefused):
    """Ollama refuses what it is given (HTTP 4xx)."""

    code = "ollama_refused"


class RemoteRefused(ModelRefused):
    """The server of a remote model refuses what it is given (HTTP 4xx), or what it wrote."""

    code = "remote_refused"


class ContractMismatch(RagError):
    """Vectors of two embedders must never share an index."""

    code = "contract_mismatch"
    http_status = 503


class OpenSearchRefused(RagError):
    """OpenSearch refused the request: rights, mapping or a bad query; `status` is its HTTP status, if any."""

    code = "opensearch_refused"
    http_status = 502

    def __init__(self, message: str, *, status: int | None = None, kind: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


class DocumentRefused(RagError):
    """OpenSearch refuses what one document brings; codes: index_refused, index_too_large."""

    code = "index_refused"
    http_status = 502


class RestoreRefused(RagError):
    """The live ledger cannot take over what a backup's ledger holds; it is as it was."""

    code = "restore_refused"
    http_status = 409
