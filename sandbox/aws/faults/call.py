"""A request to AWS as a fault sees it, and AWS's errors in the protocol of each service."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from sandbox.aws import operations
from sandbox.aws.signature import credential

QUERY, EC2, JSON, CBOR, REST = "query", "ec2", "json", "cbor", "rest"
UNAVAILABLE = 503
BAD_REQUEST = 400


@dataclass(frozen=True)
class Call:
    """One request."""

    service: str
    region: str
    operation: str
    fields: dict[str, str]
    protocol: str

    @property
    def dry(self) -> bool:
        """Whether nothing is to be done."""
        return self.fields.get("DryRun", "").lower() == "true"

    def names(self, *values: str) -> bool:
        """Whether one of its fields is one of the values."""
        return bool(set(values) & set(self.fields.values()))


@dataclass(frozen=True)
class Refusal:
    """AWS's error."""

    code: str
    message: str
    status: int = BAD_REQUEST

    def body(self, protocol: str) -> tuple[str, bytes]:
        """Content type and body."""
        if protocol == JSON:
            return "application/x-amz-json-1.1", json.dumps(
                {"__type": self.code, "message": self.message}
            ).encode()
        if protocol == CBOR:
            return "application/cbor", _cbor({"__type": self.code, "message": self.message})
        inner = f"<Error><Code>{escape(self.code)}</Code><Message>{escape(self.message)}</Message></Error>"
        around = {
            EC2: f"<Response><Errors>{inner}</Errors><RequestID>fault</RequestID></Response>",
            QUERY: f"<ErrorResponse>{inner}<RequestId>fault</RequestId></ErrorResponse>",
            REST: inner,
        }
        return "text/xml", around[protocol].encode()


def read(environ: dict[str, Any], body: bytes) -> Call:
    """The request as a call."""
    operation = operations.operation(environ, body)
    signed = credential(environ)
    service, region = (signed.service, signed.region) if signed else ("", "")
    fields: dict[str, str] = {}
    if environ.get("HTTP_X_AMZ_TARGET"):
        protocol = JSON
        content = json.loads(body or b"{}")
        fields = {key: value for key, value in content.items() if isinstance(value, str)}
        for key, value in content.items():
            if isinstance(value, list):
                fields |= {f"{key}.{at}": one for at, one in enumerate(value) if isinstance(one, str)}
    elif environ.get("HTTP_SMITHY_PROTOCOL"):
        protocol = CBOR
    elif operation:
        protocol = EC2 if service == "ec2" else QUERY
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    else:
        protocol = REST if service == "s3" else QUERY
    return Call(service, region, operation, fields, protocol)


def _cbor(texts: dict[str, str]) -> bytes:
    """A short map of texts."""
    parts = [bytes([0xA0 | len(texts)])]
    for text in (one for pair in texts.items() for one in pair):
        encoded = text.encode()
        parts.append(b"\x79" + len(encoded).to_bytes(2, "big") + encoded)
    return b"".join(parts)
