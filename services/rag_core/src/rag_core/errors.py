"""Every error that rag_core raises to its callers: a stable code, an HTTP status, and what to do about it.

    RagError
    ├── UploadRefused        the uploaded file is refused; nothing was stored
    │   └── StorageFull      the documents' disk has no room for it
    ├── ExtractionFailed     the file's content cannot be read; the ledger keeps the reason
    ├── DocumentNotFound
    ├── QuestionRefused      empty or over-long question
    ├── Unavailable          a dependency is down or overloaded; trying later helps
    │   ├── OpenSearchUnavailable
    │   └── ModelUnavailable
    │       ├── OllamaUnavailable
    │       └── RemoteUnavailable    the server of a remote model is down or overloaded
    │           ├── RemoteBusy       it accepts no more requests for now
    │           ├── RemoteDenied     it refuses the key or the account
    │           └── BudgetUsed       the model's daily tokens are used up
    ├── ModelMissing         Ollama, or a remote server, answers but does not have the model
    ├── InputTooLong         a text exceeds a model's window
    ├── ModelRefused
    │   ├── OllamaRefused    Ollama rejects its input
    │   └── RemoteRefused    the server of a remote model rejects its input
    ├── ContractMismatch     the index was made with another embedder or chunker
    ├── OpenSearchRefused    OpenSearch answered with an error that waiting does not fix
    ├── DocumentRefused      OpenSearch rejects this document's chunks; other documents go on
    └── RestoreRefused       a backup's ledger does not fit; the live one is unchanged

Errors of opensearch-py, ollama, openai and httpx are translated where those clients are called, and never
leave this package.
"""

# ruff: noqa: N818 - errors are named for what happened

from __future__ import annotations


class RagError(Exception):
    """Base class: `code` is stable, for programs; `message` tells the user what to do."""

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
    """The documents' disk has no room; everything stored before is unchanged."""

    code = "storage_full"
    http_status = 507


class ExtractionFailed(RagError):
    """The file cannot be read; `retryable` if another attempt may succeed."""

    code = "extraction_failed"
    http_status = 422

    def __init__(self, message: str, *, code: str, retryable: bool = False) -> None:
        super().__init__(message, code=code)
        self.retryable = retryable


class DocumentNotFound(RagError):
    """No document has this id, or it was deleted."""

    code = "document_not_found"
    http_status = 404


class QuestionRefused(RagError):
    """The question is empty or too long."""

    code = "question_refused"
    http_status = 422


class Unavailable(RagError):
    """A dependency does not answer; the same call works once it is available again."""

    code = "unavailable"
    http_status = 503


class OpenSearchUnavailable(Unavailable):
    """OpenSearch does not answer or sheds load."""

    code = "opensearch_unavailable"


class ModelUnavailable(Unavailable):
    """The server that runs a model does not answer."""

    code = "model_unavailable"


class OllamaUnavailable(ModelUnavailable):
    """Ollama does not answer in time."""

    code = "ollama_unavailable"


class RemoteUnavailable(ModelUnavailable):
    """The server of a remote model, or the proxy to it, does not answer properly."""

    code = "remote_unavailable"


class RemoteBusy(RemoteUnavailable):
    """The server of a remote model accepts no more requests for now (HTTP 429); `retry_after` if it says."""

    code = "remote_busy"

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class RemoteDenied(RemoteUnavailable):
    """The server of a remote model refuses the key, the account, or every request."""

    code = "remote_denied"


class BudgetUsed(RemoteUnavailable):
    """A remote model has used up its daily tokens; they are renewed at midnight (UTC)."""

    code = "remote_budget_used"

    def __init__(self, message: str, *, most: int, tokens_per_day: int) -> None:
        super().__init__(message)
        self.most = most  # tokens that the request may cost
        self.tokens_per_day = tokens_per_day


class ModelMissing(RagError):
    """A configured model is missing on the server that should run it."""

    code = "model_missing"
    http_status = 503


class InputTooLong(RagError):
    """A text exceeds a model's window."""

    code = "input_too_long"
    http_status = 422


class RemoteMissing(ModelMissing):
    """The server of a remote model does not know the model."""

    code = "remote_missing"


class ModelRefused(RagError):
    """A model rejects its input; sending it again does not help."""

    code = "model_refused"
    http_status = 502


class OllamaRefused(ModelRefused):
    """Ollama rejects its input (HTTP 4xx), or makes no usable vector of it."""

    code = "ollama_refused"


class RemoteRefused(ModelRefused):
    """The server of a remote model rejects its input (HTTP 4xx), withholds its output, or has none of use."""

    code = "remote_refused"


class ContractMismatch(RagError):
    """The index holds another embedder's vectors; the two must never be mixed."""

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
    """OpenSearch rejects a document's chunks; codes: index_refused, index_too_large."""

    code = "index_refused"
    http_status = 502


class RestoreRefused(RagError):
    """The live ledger cannot take over the content of a backup's ledger; it is unchanged."""

    code = "restore_refused"
    http_status = 409
