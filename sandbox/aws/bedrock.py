"""Short-term keys of Amazon Bedrock: whose one is, whether it is genuine and still good, and what it may do.

Such a key is a request to `CallWithBearerToken`, signed in advance. Who answers under Bedrock's name
(sandbox/elsewhere) asks here, since IAM's state is here.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import hashlib
import hmac
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl, quote

from moto.sts.models import sts_backends

from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.judge import Judge
from sandbox.aws.authorization.rights import Right
from sandbox.aws.recorder import Start
from sandbox.aws.signature import credential

PATH = "/sandbox/bedrock"
HOST = "bedrock.amazonaws.com"
PREFIX = "bedrock-api-key-"
LONGEST = dt.timedelta(hours=12)
SKEW = dt.timedelta(minutes=5)
# What is added to a key after it was signed.
UNSIGNED = frozenset({"X-Amz-Signature", "Version"})


class RefusedError(Exception):
    """A key is not good for this. The text says why."""


class Keys:
    """A WSGI application around the judge of the AWS APIs."""

    def __init__(self, judge: Judge, account: str) -> None:
        """Decide as `judge` does."""
        self._judge = judge
        self._account = account

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer a question about a key; pass on everything else."""
        if environ.get("PATH_INFO") != PATH:
            return self._judge(environ, start_response)
        try:
            who = self.check(
                str(environ.get("HTTP_X_KEY", "")),
                str(environ.get("HTTP_X_MODEL", "")),
                str(environ.get("HTTP_X_REGION", "")),
                streams=environ.get("HTTP_X_STREAM") == "true",
                now=dt.datetime.now(dt.UTC),
            )
        except RefusedError as refusal:
            status, text = "403 Forbidden", str(refusal)
        else:
            status, text = "200 OK", who
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text.encode())))])
        return [text.encode()]

    def check(self, key: str, model: str, region: str, *, streams: bool, now: dt.datetime) -> str:
        """The ARN of whose key it is, if that one may ask this model with it."""
        query = decoded(key)
        signed = credential({"QUERY_STRING": query})
        if signed is None or signed.service != "bedrock":
            raise RefusedError("The key is not signed for Bedrock.")
        if signed.region != region:
            raise RefusedError(f"The key is of {signed.region}, not of {region}.")
        fields = dict(parse_qsl(query, keep_blank_values=True))
        if fields.get("Action") != "CallWithBearerToken":
            raise RefusedError("The key is signed for another action.")
        _refuse_ended(fields, now)
        session = sts_backends[self._account]["aws"].get_assumed_role_from_access_key(signed.key)
        principal = self._judge.principal(signed.key)
        if session is None or principal is None:
            raise RefusedError("The key is signed by nobody.")
        if fields.get("X-Amz-Security-Token") != session.session_token or not hmac.compare_digest(
            fields.get("X-Amz-Signature", ""), signature(query, session.secret_access_key)
        ):
            raise RefusedError("The signature of the key is wrong.")
        action = "InvokeModelWithResponseStream" if streams else "InvokeModel"
        for right in (
            Right("bedrock:CallWithBearerToken", "*"),
            Right(f"bedrock:{action}", f"arn:aws:bedrock:{region}::foundation-model/{model}"),
        ):
            if not self._judge.decide(principal, right, Call(signed, "CallWithBearerToken", {})).allowed:
                raise RefusedError(f"User: {principal} is not authorized to perform: {right.action}")
        return principal.arn


def decoded(key: str) -> str:
    """The query of the request that a key is."""
    try:
        text = base64.b64decode(key.removeprefix(PREFIX), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise RefusedError("The key is no key of Bedrock.") from error
    host, _, query = text.partition("/?")
    if not key.startswith(PREFIX) or host != HOST:
        raise RefusedError("The key is no key of Bedrock.")
    return query


def _refuse_ended(fields: dict[str, str], now: dt.datetime) -> None:
    try:
        made = dt.datetime.strptime(fields["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
        life = dt.timedelta(seconds=int(fields["X-Amz-Expires"]))
    except (KeyError, ValueError) as error:
        raise RefusedError("The key does not say how long it is good for.") from error
    if life > LONGEST or made > now + SKEW:
        raise RefusedError("The key is good for longer than Bedrock allows.")
    if now > made + life:
        raise RefusedError("The key has expired.")


def signature(query: str, secret: str) -> str:
    """What the signature of a presigned POST to Bedrock has to be (AWS's Signature Version 4)."""
    fields = [(name, value) for name, value in parse_qsl(query, True) if name not in UNSIGNED]
    text = "&".join(
        sorted(f"{quote(name, safe='-_.~')}={quote(value, safe='-_.~')}" for name, value in fields)
    )
    nothing = hashlib.sha256(b"").hexdigest()
    request = "\n".join(("POST", "/", text, f"host:{HOST}", "", "host", nothing))
    values = dict(fields)
    _, day, region, service, end = values["X-Amz-Credential"].split("/")
    scope = f"{day}/{region}/{service}/{end}"
    digest = hashlib.sha256(request.encode()).hexdigest()
    signed = "\n".join(("AWS4-HMAC-SHA256", values["X-Amz-Date"], scope, digest))
    key = f"AWS4{secret}".encode()
    for part in (day, region, service, end):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return hmac.new(key, signed.encode(), hashlib.sha256).hexdigest()
