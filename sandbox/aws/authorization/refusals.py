"""Refusals as AWS words them, in the form of each protocol."""

from __future__ import annotations

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

EC2 = """<?xml version="1.0" encoding="UTF-8"?>
<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors>\
<RequestID>{request}</RequestID></Response>"""
QUERY = """<?xml version="1.0" encoding="UTF-8"?>
<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
<RequestId>{request}</RequestId></ErrorResponse>"""
S3 = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message><RequestId>{request}</RequestId></Error>"""
REQUEST = "00000000-0000-4000-8000-000000000000"


@dataclass(frozen=True)
class Codes:
    """What a protocol, or a service, calls each refusal."""

    denied: str
    unknown_key: str
    unsigned: str
    status: HTTPStatus = HTTPStatus.FORBIDDEN
    key_status: HTTPStatus = HTTPStatus.FORBIDDEN


BY_SERVICE = {
    "ec2": Codes(
        "UnauthorizedOperation",
        "AuthFailure",
        "MissingAuthenticationToken",
        key_status=HTTPStatus.UNAUTHORIZED,
    ),
    "s3": Codes("AccessDenied", "InvalidAccessKeyId", "AccessDenied"),
    "sns": Codes("AuthorizationError", "InvalidClientTokenId", "MissingAuthenticationToken"),
}
BY_QUERY = Codes("AccessDenied", "InvalidClientTokenId", "MissingAuthenticationToken")
BY_JSON = Codes(
    "AccessDeniedException",
    "UnrecognizedClientException",
    "MissingAuthenticationTokenException",
    HTTPStatus.BAD_REQUEST,
    HTTPStatus.BAD_REQUEST,
)
UNKNOWN_KEY = "The security token included in the request is invalid."
UNSIGNED = "Request is missing Authentication Token"


@dataclass(frozen=True)
class Refusal:
    """One answer in place of the service's."""

    status: HTTPStatus
    code: str
    message: str


def codes(service: str, environ: dict[str, Any]) -> Codes:
    """How the service that a request goes to words refusals."""
    if service in BY_SERVICE:
        return BY_SERVICE[service]
    return BY_JSON if _json(environ) else BY_QUERY


def answer(
    refusal: Refusal, service: str, environ: dict[str, Any]
) -> tuple[str, list[tuple[str, str]], bytes]:
    """Status line, headers and body."""
    status = f"{refusal.status.value} {refusal.status.phrase}"
    if service not in BY_SERVICE and _json(environ):
        body = json.dumps({"__type": refusal.code, "message": refusal.message})
        kind = "application/x-amz-json-1.1"
    else:
        form = {"ec2": EC2, "s3": S3}.get(service, QUERY)
        body = form.format(code=refusal.code, message=escape(refusal.message), request=REQUEST)
        kind = "text/xml"
    data = b"" if environ.get("REQUEST_METHOD") == "HEAD" else body.encode()
    headers = [("Content-Type", kind), ("Content-Length", str(len(data))), ("x-amzn-requestid", REQUEST)]
    return status, headers, data


def _json(environ: dict[str, Any]) -> bool:
    return "json" in str(environ.get("CONTENT_TYPE", "")) or bool(environ.get("HTTP_X_AMZ_TARGET"))
