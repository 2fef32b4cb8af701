"""Parses and verifies AWS signatures (version 4): signer, service, region and secret."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

from botocore.auth import S3SigV4Auth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ALGORITHM = "AWS4-HMAC-SHA256"
FIELD = re.compile(r"(\w+)=([^,\s]+)")
SCOPE = re.compile(r"(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
STAMP = "%Y%m%dT%H%M%SZ"
# Service name in a signature -> boto3's name and IAM's prefix, where they differ.
SERVICES = {
    "monitoring": ("cloudwatch", "cloudwatch"),
    "tagging": ("resourcegroupstaggingapi", "tag"),
    "servicequotas": ("service-quotas", "servicequotas"),
}
# Values that a request can have in place of its body's digest.
UNSIGNED = frozenset({"UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
CHUNKED = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
TRAILED = f"{CHUNKED}-TRAILER"
NOTHING = hashlib.sha256(b"").hexdigest()
CHUNK = re.compile(rb"([0-9a-f]+);chunk-signature=([0-9a-f]{64})\r\n", re.IGNORECASE)
TRAILER = re.compile(rb"(?P<lines>.*?)x-amz-trailer-signature:(?P<signature>[0-9a-f]{64})\s*", re.DOTALL)


@dataclass(frozen=True)
class Credential:
    """The signer, scope and time in a signature, and the signature itself."""

    key: str
    region: str
    service: str
    # The names of the signed headers.
    headers: tuple[str, ...] = ()
    signature: str = ""
    stamp: str = ""
    token: str = ""
    # Validity of a presigned URL in seconds; None for a request signed in its header.
    seconds: int | None = None

    @property
    def boto(self) -> str:
        """The service's name in boto3."""
        return SERVICES.get(self.service, (self.service, ""))[0]

    @property
    def prefix(self) -> str:
        """The service's prefix in IAM."""
        return SERVICES.get(self.service, ("", self.service))[1]

    @property
    def made(self) -> dt.datetime | None:
        """Return the time of the signature; None if it cannot be parsed."""
        try:
            return dt.datetime.strptime(self.stamp, STAMP).replace(tzinfo=dt.UTC)
        except ValueError:
            return None


def credential(environ: Mapping[str, Any]) -> Credential | None:
    """Parse the Authorization header or a presigned URL; None if the request is not signed."""
    query = {name: values[0] for name, values in parse_qs(str(environ.get("QUERY_STRING", ""))).items()}
    seconds = None
    if (text := str(environ.get("HTTP_AUTHORIZATION", ""))).startswith(ALGORITHM):
        given = dict(FIELD.findall(text))
        stamp, token = environ.get("HTTP_X_AMZ_DATE", ""), environ.get("HTTP_X_AMZ_SECURITY_TOKEN", "")
    else:
        given = {name.removeprefix("X-Amz-"): value for name, value in query.items()}
        stamp, token = query.get("X-Amz-Date", ""), query.get("X-Amz-Security-Token", "")
        seconds = int(text) if (text := query.get("X-Amz-Expires", "")).isdecimal() else 0
    scope = SCOPE.fullmatch(given.get("Credential", ""))
    if scope is None:
        return None
    return Credential(
        **scope.groupdict(),
        headers=tuple(given.get("SignedHeaders", "").split(";")),
        signature=given.get("Signature", ""),
        stamp=str(stamp),
        token=str(token),
        seconds=seconds,
    )


def digest_fits(environ: Mapping[str, Any], body: bytes) -> bool:
    """Return whether the body matches the digest in the request, if it has one."""
    given = str(environ.get("HTTP_X_AMZ_CONTENT_SHA256", ""))
    plain = given and given not in (*UNSIGNED, CHUNKED, TRAILED)
    return not plain or given == hashlib.sha256(body).hexdigest()


def is_signed_with(secret: str, signed: Credential, environ: Mapping[str, Any], body: bytes) -> bool:
    """Return whether a request and each chunk of its body have botocore's signature for this secret."""
    presigned = signed.seconds is not None
    path, _, query = str(environ.get("RAW_URI", "/")).partition("?")
    if presigned:
        query = "&".join(one for one in query.split("&") if not one.startswith("X-Amz-Signature="))
    headers = {name: _header(environ, name) for name in signed.headers}
    request = AWSRequest(environ["REQUEST_METHOD"], f"http://any{path}?{query}", headers, body)
    request.context["timestamp"] = signed.stamp
    kind: type[SigV4Auth] = {
        (True, False): S3SigV4Auth,
        (True, True): S3SigV4QueryAuth,
        (False, False): SigV4Auth,
        (False, True): SigV4QueryAuth,
    }[signed.service == "s3", presigned]
    signer = kind(Credentials(signed.key, secret), signed.service, signed.region)
    text = signer.string_to_sign(request, signer.canonical_request(request))
    if not hmac.compare_digest(signer.signature(text, request), signed.signature):
        return False
    form = environ.get("HTTP_X_AMZ_CONTENT_SHA256")
    if form not in (CHUNKED, TRAILED):
        return True
    scope = signer.credential_scope(request)
    previous = signed.signature
    for word, digests, found in _parts(body, form == TRAILED):
        text = "\n".join((f"{ALGORITHM}-{word}", signed.stamp, scope, previous, *digests))
        if not hmac.compare_digest(signer.signature(text, request), found):
            return False
        previous = found
    return True


def _parts(body: bytes, trailed: bool) -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yield each signed part of a chunked body: its algorithm name, its digests and its signature.

    A body that ends early, or is not chunked, yields a part that no secret can sign.
    """
    at, size = 0, 1
    while size:
        head = CHUNK.match(body, at)
        if head is None:
            yield "PAYLOAD", (), ""
            return
        size = int(head[1], 16)
        data = body[head.end() : head.end() + size]
        at = head.end() + size + (len(b"\r\n") if size else 0)
        yield "PAYLOAD", (NOTHING, hashlib.sha256(data).hexdigest()), head[2].decode()
    if not trailed and body[at:].strip():
        yield "PAYLOAD", (), ""
    if trailed:
        end = TRAILER.fullmatch(body, at)
        lines = end["lines"].replace(b"\r\n", b"\n") if end else b""
        yield "TRAILER", (hashlib.sha256(lines).hexdigest(),), end["signature"].decode() if end else ""


def _header(environ: Mapping[str, Any], name: str) -> str:
    """Return a request header from the WSGI environment."""
    key = name.upper().replace("-", "_")
    return str(environ.get(key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}", ""))
