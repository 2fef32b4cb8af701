"""Turns errors into HTTP responses: a stable code, an actionable message, no traceback."""

# ruff: noqa: N818 - errors are named for what happened

import math
from collections.abc import Mapping
from http import HTTPStatus
from types import MappingProxyType
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from rag_core.errors import RagError

_log = structlog.stdlib.get_logger("rag_app.errors")
_MIB = 1024 * 1024


class ErrorDetail(BaseModel):
    """What went wrong: `code` for programs, `message` for people."""

    code: str
    message: str


class ErrorBody(BaseModel):
    """The body of every error response."""

    error: ErrorDetail


class AppError(RagError):
    """An error of the app itself."""

    headers: Mapping[str, str] = MappingProxyType({})


class NotLoggedIn(AppError):
    """Neither a valid API token nor a session."""

    code = "not_logged_in"
    http_status = 401
    headers = MappingProxyType({"WWW-Authenticate": "Bearer"})

    def __init__(self) -> None:
        super().__init__("Send the API token as 'Authorization: Bearer ...', or log in at /login first.")


class CrossSite(AppError):
    """A page of another site tried to use the visitor's session."""

    code = "cross_site"
    http_status = 403

    def __init__(self) -> None:
        super().__init__("This request came from another site; programs use the API token instead.")


class Busy(AppError):
    """The queue of questions is full."""

    code = "busy"
    http_status = 503

    def __init__(self, waiting: int, retry_after: float) -> None:
        seconds = max(1, math.ceil(retry_after))
        super().__init__(f"{waiting} questions are waiting already; try again in about {seconds} seconds.")
        self.headers = {"Retry-After": str(seconds)}


class UploadsBusy(AppError):
    """This process already receives as many uploads as it may."""

    code = "uploads_busy"
    http_status = 503
    headers = MappingProxyType({"Retry-After": "5"})

    def __init__(self, under_way: int) -> None:
        super().__init__(f"{under_way} uploads are under way already; try again in about 5 seconds.")


class TooSlow(AppError):
    """The request's body did not arrive in time."""

    code = "request_timeout"
    http_status = 408

    def __init__(self) -> None:
        super().__init__("The request's body arrived too slowly and was given up; nothing of it was stored.")


class BadForm(AppError):
    """The body is not a form with one file."""

    code = "invalid_request"
    http_status = 422


class ClientGone(AppError):
    """The client disconnected before the answer; nobody receives this error."""

    code = "client_gone"
    http_status = 408

    def __init__(self) -> None:
        super().__init__("The connection was closed before the answer was ready.")


class TooLarge(AppError):
    """The request's body is over the limit."""

    code = "upload_too_large"
    http_status = 413

    def __init__(self, limit_bytes: int) -> None:
        super().__init__(
            f"The file is larger than {limit_bytes // _MIB} MiB,"
            " the limit set by the administrator (UPLOAD_MAX_MIB)."
            if limit_bytes >= _MIB
            else f"The request is larger than {limit_bytes // 1024} KiB."
        )


def body(code: str, message: str) -> dict[str, Any]:
    """The JSON body of an error."""
    return ErrorBody(error=ErrorDetail(code=code, message=message)).model_dump()


def answer(error: RagError) -> JSONResponse:
    """The HTTP response for one of our own errors."""
    headers = dict(getattr(error, "headers", {}))
    if error.http_status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.setdefault("Retry-After", "5")
    return JSONResponse(body(error.code, error.message), error.http_status, headers=headers)


def install(app: FastAPI) -> None:
    """Make `app` report every error in the same format."""

    @app.exception_handler(RagError)
    async def own(request: Request, error: RagError) -> JSONResponse:
        if error.http_status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            _log.warning("request_failed", code=error.code, reason=error.message)
        return answer(error)

    @app.exception_handler(RequestValidationError)
    async def invalid(_request: Request, error: RequestValidationError) -> JSONResponse:
        # The input itself is not repeated: it may be a private question.
        found = "; ".join(
            f"{'.'.join(str(part) for part in item['loc'])}: {item['msg']}" for item in error.errors()
        )
        return JSONResponse(body("invalid_request", found), HTTPStatus.UNPROCESSABLE_ENTITY)

    @app.exception_handler(HTTPException)
    async def http(_request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        code = TooLarge.code if status == TooLarge.http_status else status.name.lower()
        message = error.detail if error.detail != status.phrase else status.description
        return JSONResponse(body(code, message or status.phrase), status, headers=error.headers)

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> JSONResponse:
        _log.error("unexpected_error", path=request.url.path, exc_info=error)
        return JSONResponse(
            body("internal", "Something went wrong on our side; the log of rag-app has the details."),
            HTTPStatus.INTERNAL_SERVER_ERROR,
        )
