"""Checks whether a request was signed by the owner of its access key, and recently enough."""

from __future__ import annotations

import datetime as dt
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sandbox.aws.authorization.reasons import Reason
from sandbox.aws.signature import STAMP, Credential, digest_fits, is_signed_with

# The largest allowed difference between the signer's clock and AWS's.
SKEW = dt.timedelta(minutes=5)
LONGER_SKEW = {"ec2": dt.timedelta(minutes=15), "s3": dt.timedelta(minutes=15)}


@dataclass(frozen=True)
class Secrets:
    """The secrets of an access key; a session also has a token and an expiry."""

    secret: str
    token: str = ""
    until: dt.datetime | None = None


def problem(
    secrets: Secrets, signed: Credential, environ: Mapping[str, Any], body: bytes, at: dt.datetime
) -> tuple[Reason, str] | None:
    """Return what is wrong with the signature of a request that arrived at that time, and AWS's message."""
    if not hmac.compare_digest(signed.token.encode(), secrets.token.encode()):
        return Reason.WRONG_TOKEN, ""
    if secrets.until and secrets.until <= at:
        return Reason.ENDED_SESSION, ""
    if signed.made is None:
        return Reason.WRONG_SIGNATURE, ""
    if wrong := _untimely(signed, signed.made, at):
        return wrong
    if not digest_fits(environ, body):
        return Reason.WRONG_DIGEST, ""
    return None if is_signed_with(secrets.secret, signed, environ, body) else (Reason.WRONG_SIGNATURE, "")


def _untimely(signed: Credential, made: dt.datetime, at: dt.datetime) -> tuple[Reason, str] | None:
    skew = LONGER_SKEW.get(signed.service, SKEW)
    minutes = skew // dt.timedelta(minutes=1)
    if made > at + skew:
        latest = (at + skew).strftime(STAMP)
        return Reason.WRONG_TIME, (
            f"Signature not yet current: {signed.stamp} is still later than {latest} "
            f"({at.strftime(STAMP)} + {minutes} min.)"
        )
    good = skew if signed.seconds is None else dt.timedelta(seconds=signed.seconds)
    if made < at - good:
        said = (
            f"Signature expired: {signed.stamp} is now earlier than {(at - good).strftime(STAMP)} "
            f"({at.strftime(STAMP)} - {good // dt.timedelta(minutes=1)} min.)"
        )
        return (Reason.WRONG_TIME if signed.seconds is None else Reason.ENDED_ADDRESS), said
    return None
