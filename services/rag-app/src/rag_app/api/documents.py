"""Documents: upload, list, read, remove."""

from http import HTTPStatus
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from rag_app.access import require_user
from rag_app.backend import Backend
from rag_app.errors import ErrorBody
from rag_app.limits import UploadSlots
from rag_app.receiving import FIELD, receive_file
from rag_app.schemas.base import PublicState
from rag_app.schemas.documents import DocumentList, DocumentOut, TagsIn, TagsOut, UploadAccepted
from rag_core.errors import DocumentNotFound
from rag_core.ledger import Ledger
from rag_core.models import Document, DocumentState

SHOWN_STATES = (
    DocumentState.QUEUED,
    DocumentState.PROCESSING,
    DocumentState.READY,
    DocumentState.FAILED,
)

router = APIRouter(
    prefix="/api/documents",
    tags=["documents"],
    dependencies=[Depends(require_user)],
    responses={HTTPStatus.UNAUTHORIZED.value: {"model": ErrorBody}},
)
_UPLOAD: dict[str, Any] = {
    "type": "object",
    "required": [FIELD],
    "additionalProperties": False,
    "properties": {
        FIELD: {
            "type": "string",
            "contentMediaType": "application/octet-stream",
            "description": "PDF (also scanned), DOCX, PPTX, XLSX, CSV, EPUB, e-mail, HTML, Markdown or text",
        }
    },
}
_NOT_FOUND: dict[int | str, dict[str, Any]] = {HTTPStatus.NOT_FOUND.value: {"model": ErrorBody}}


def backend_of(request: Request) -> Backend:
    """The app's backend."""
    backend: Backend = request.app.state.backend
    return backend


def visible(ledger: Ledger, document_id: str) -> Document:
    """The document, unless it is being deleted: users no longer see it then."""
    document = ledger.get(document_id)
    if document.state not in SHOWN_STATES:
        raise DocumentNotFound(f"document {document_id!r} was deleted; upload the file again to have it back")
    return document


@router.post(
    "",
    status_code=HTTPStatus.ACCEPTED,
    responses={
        status.value: {"model": ErrorBody}
        for status in (
            HTTPStatus.REQUEST_TIMEOUT,
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            HTTPStatus.UNPROCESSABLE_ENTITY,
            HTTPStatus.SERVICE_UNAVAILABLE,
            HTTPStatus.INSUFFICIENT_STORAGE,
        )
    },
    openapi_extra={
        "requestBody": {"required": True, "content": {"multipart/form-data": {"schema": _UPLOAD}}}
    },
)
async def upload(
    request: Request,
    backend: Annotated[Backend, Depends(backend_of)],
    replace: Annotated[bool, Query(description="Once ready, replace an upload of this name")] = True,
) -> UploadAccepted:
    """Store a file and queue it. The same content always gets the same id, other content another one.

    Send one file per request. An earlier upload of the same name is used for answers until the new one is
    ready, and is then removed; if the new one fails, both stay listed.
    """
    # Read the body here: the framework would spool it to disk before it authenticates the sender.
    slots: UploadSlots = request.app.state.upload_slots
    with slots.one():
        document = await receive_file(request, backend.uploads, replace=replace)
    return UploadAccepted.model_validate({"id": document.id, "state": document.state.value})


@router.get("")
def list_documents(
    backend: Annotated[Backend, Depends(backend_of)],
    state: Annotated[PublicState | None, Query()] = None,
    search: Annotated[str | None, Query(max_length=200)] = None,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
    offset: Annotated[int, Query(ge=0, le=10_000_000)] = 0,
) -> DocumentList:
    """List the documents, newest first."""
    states = (DocumentState(state),) if state else SHOWN_STATES
    found = backend.ledger.list(states=states, search=search, limit=limit, offset=offset)
    tags = backend.tags.of([document.id for document in found])
    return DocumentList(documents=[DocumentOut.of(document, tags.get(document.id, ())) for document in found])


@router.get("/{document_id}", responses=_NOT_FOUND)
def get_document(document_id: str, backend: Annotated[Backend, Depends(backend_of)]) -> DocumentOut:
    """Return one document: its state, pages and chunks, and the reason if it failed."""
    document = visible(backend.ledger, document_id)
    return DocumentOut.of(document, backend.tags.of([document.id]).get(document.id, ()))


@router.put("/{document_id}/tags", responses=_NOT_FOUND)
def set_tags(document_id: str, body: TagsIn, backend: Annotated[Backend, Depends(backend_of)]) -> TagsOut:
    """Replace the tags of a document; filters and the Library find it by them."""
    return TagsOut(tags=list(backend.tags.put(visible(backend.ledger, document_id).id, body.tags)))


@router.delete("/{document_id}", status_code=HTTPStatus.NO_CONTENT, responses=_NOT_FOUND)
def delete_document(document_id: str, backend: Annotated[Backend, Depends(backend_of)]) -> None:
    """Delete a document: answers stop using it at once, its chunks and file are removed soon after."""
    visible(backend.ledger, document_id)
    backend.ledger.request_delete(document_id)
    backend.tags.put(document_id, ())


@router.post("/{document_id}/retry", status_code=HTTPStatus.ACCEPTED, responses=_NOT_FOUND)
def retry_document(document_id: str, backend: Annotated[Backend, Depends(backend_of)]) -> UploadAccepted:
    """Queue a failed document again; any other is left unchanged."""
    visible(backend.ledger, document_id)
    document = backend.ledger.retry(document_id)
    return UploadAccepted.model_validate({"id": document.id, "state": document.state.value})
