"""AWS's errors, in the form of each protocol."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from xml.sax.saxutils import escape

from sandbox.aws import operations

QUERY, EC2, JSON, CBOR, REST = "query", "ec2", "json", "cbor", "rest"
REQUEST = "00000000-0000-4000-8000-000000000000"
DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'
ERROR = "<Code>{code}</Code><Message>{message}</Message>"
XML = {
    EC2: f"<Response><Errors><Error>{ERROR}</Error></Errors><RequestID>{REQUEST}</RequestID></Response>",
    QUERY: f"<ErrorResponse><Error><Type>Sender</Type>{ERROR}</Error>"
    f"<RequestId>{REQUEST}</RequestId></ErrorResponse>",
    REST: f"<Error>{ERROR}<RequestId>{REQUEST}</RequestId></Error>",
}
Answer = tuple[str, list[tuple[str, str]], bytes]


@dataclass(frozen=True)
class Refusal:
    """One AWS error."""

    code: str
    message: str
    status: HTTPStatus = HTTPStatus.BAD_REQUEST

    def answer(self, protocol: str, method: str = "POST") -> Answer:
        """Return status line, headers and body."""
        said = {"__type": self.code, "message": self.message}
        if protocol == JSON:
            kind, body = "application/x-amz-json-1.1", json.dumps(said).encode()
        elif protocol == CBOR:
            kind, body = "application/cbor", _cbor(said)
        else:
            kind = "text/xml"
            text = XML[protocol].format(code=escape(self.code), message=escape(self.message))
            body = f"{DECLARATION}{text}".encode()
        # HTTP allows no body in an answer to HEAD.
        body = b"" if method == "HEAD" else body
        headers = [("Content-Type", kind), ("Content-Length", str(len(body))), ("x-amzn-requestid", REQUEST)]
        return f"{self.status.value} {self.status.phrase}", headers, body


def protocol(service: str, environ: Mapping[str, Any], body: bytes) -> str:
    """Return the protocol of a request; SERVICE is the one named in its signature, "" if it is unsigned."""
    if service in ("ec2", "s3"):
        return {"ec2": EC2, "s3": REST}[service]
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        return CBOR
    if environ.get("HTTP_X_AMZ_TARGET") or (service and "json" in str(environ.get("CONTENT_TYPE", ""))):
        return JSON
    # A request that names neither a service nor an operation can only be for S3.
    return QUERY if service or operations.operation(environ, body) else REST


def _cbor(texts: Mapping[str, str]) -> bytes:
    """Encode a short map of strings."""
    parts = [bytes([0xA0 | len(texts)])]
    for text in (one for pair in texts.items() for one in pair):
        encoded = text.encode()
        parts.append(b"\x79" + len(encoded).to_bytes(2, "big") + encoded)
    return b"".join(parts)
