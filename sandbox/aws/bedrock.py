"""Checks short-term API keys of Amazon Bedrock: the owner, whether the key is valid, and what it may do.

Such a key is a presigned request for `CallWithBearerToken`. The server with Bedrock's host name
(sandbox/elsewhere) asks this module, because IAM's state is here.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qs

from sandbox.aws.authorization.account import Account
from sandbox.aws.authorization.authentication import problem
from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.judge import Judge, now
from sandbox.aws.authorization.rights import Right
from sandbox.aws.recorder import Start
from sandbox.aws.signature import credential

PATH = "/sandbox/bedrock"
HOST = "bedrock.amazonaws.com"
ACTION = "CallWithBearerToken"
PREFIX = "bedrock-api-key-"
# AWS's library appends this to the request after signing it.
ADDED = "&Version=1"
LONGEST_SECONDS = 12 * 3600


class RefusedError(Exception):
    """A key does not allow the request. The text says why."""


class BedrockKeys:
    """A WSGI application around the judge of the AWS APIs."""

    def __init__(self, judge: Judge, account: Account) -> None:
        """Decide like `judge`, by the principals of `account`."""
        self._judge = judge
        self._account = account

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer a question about a key; pass on everything else."""
        if environ.get("PATH_INFO") != PATH:
            return self._judge(environ, start_response)
        try:
            text = self.check(
                str(environ.get("HTTP_X_KEY", "")),
                str(environ.get("HTTP_X_MODEL", "")),
                str(environ.get("HTTP_X_REGION", "")),
                streams=environ.get("HTTP_X_STREAM") == "true",
                at=now(),
            )
            status = "200 OK"
        except RefusedError as refusal:
            status, text = "403 Forbidden", str(refusal)
        start_response(status, [("Content-Type", "text/plain"), ("Content-Length", str(len(text.encode())))])
        return [text.encode()]

    def check(self, key: str, model: str, region: str, *, streams: bool, at: dt.datetime) -> str:
        """Return the ARN of the key's owner; raise RefusedError if the key does not allow this model."""
        query = decoded(key)
        environ = {
            "REQUEST_METHOD": "POST", "RAW_URI": f"/?{query}", "QUERY_STRING": query, "HTTP_HOST": HOST
        }  # fmt: skip
        signed = credential(environ)
        if signed is None or signed.service != "bedrock" or parse_qs(query).get("Action") != [ACTION]:
            raise RefusedError("The key is not signed for Bedrock.")
        if signed.region != region:
            raise RefusedError(f"The key is of {signed.region}, not of {region}.")
        if signed.seconds is None or signed.seconds > LONGEST_SECONDS:
            raise RefusedError("The key is good for longer than Bedrock allows.")
        owner = self._account.owner(signed.key)
        if owner is None:
            raise RefusedError("The key is signed by nobody.")
        principal, secrets = owner
        if wrong := problem(secrets, signed, environ, b"", at):
            reason, said = wrong
            raise RefusedError(said or f"The key is not good: {reason.name.lower().replace('_', ' ')}.")
        invoking = "InvokeModelWithResponseStream" if streams else "InvokeModel"
        for right in (
            Right(f"bedrock:{ACTION}", "*"),
            Right(f"bedrock:{invoking}", f"arn:aws:bedrock:{region}::foundation-model/{model}"),
        ):
            if not self._judge.decide(principal, right, Call(signed, ACTION, {})).allowed:
                raise RefusedError(f"User: {principal} is not authorized to perform: {right.action}")
        return principal.arn


def decoded(key: str) -> str:
    """Decode a key to the query string of its presigned request."""
    try:
        text = base64.b64decode(key.removeprefix(PREFIX), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise RefusedError("The key is no key of Bedrock.") from error
    host, _, query = text.partition("/?")
    if not key.startswith(PREFIX) or host != HOST:
        raise RefusedError("The key is no key of Bedrock.")
    return query.removesuffix(ADDED)
