"""Reasons to refuse a request, with the error that each service returns for them."""

from __future__ import annotations

from enum import Enum, auto
from http import HTTPStatus

from sandbox.aws.refusals import CBOR, EC2, JSON, QUERY, REST, Refusal


class Reason(Enum):
    """Why a request is refused."""

    DENIED = auto()
    UNSIGNED = auto()
    UNKNOWN_KEY = auto()
    # A session's token is missing or belongs to another session.
    WRONG_TOKEN = auto()
    ENDED_SESSION = auto()
    WRONG_SIGNATURE = auto()
    # The body does not match the signed digest.
    WRONG_DIGEST = auto()
    # The signature is too old, or its time is in the future.
    WRONG_TIME = auto()
    # A presigned URL has expired.
    ENDED_ADDRESS = auto()


INVALID = "The security token included in the request is invalid."
MISMATCH = "The request signature we calculated does not match the signature you provided. Check your "
KEY_AND_METHOD = "AWS Secret Access Key and signing method. Consult the service documentation for details."
NOT_VALIDATED = "AWS was not able to validate the provided access credentials"
MISSING = "Request is missing Authentication Token"
EXPIRED = "The security token included in the request is expired"
BAD, UNAUTHORIZED, FORBIDDEN = HTTPStatus.BAD_REQUEST, HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN
Words = dict[Reason, Refusal]

OF_QUERY: Words = {
    Reason.DENIED: Refusal("AccessDenied", "", FORBIDDEN),
    Reason.UNSIGNED: Refusal("MissingAuthenticationToken", MISSING, FORBIDDEN),
    Reason.UNKNOWN_KEY: Refusal("InvalidClientTokenId", INVALID, FORBIDDEN),
    Reason.WRONG_TOKEN: Refusal("InvalidClientTokenId", INVALID, FORBIDDEN),
    Reason.ENDED_SESSION: Refusal("ExpiredToken", EXPIRED, FORBIDDEN),
    Reason.WRONG_SIGNATURE: Refusal("SignatureDoesNotMatch", MISMATCH + KEY_AND_METHOD, FORBIDDEN),
    Reason.WRONG_TIME: Refusal("SignatureDoesNotMatch", "", FORBIDDEN),
}
OF_JSON: Words = {
    Reason.DENIED: Refusal("AccessDeniedException", "", BAD),
    Reason.UNSIGNED: Refusal("MissingAuthenticationTokenException", MISSING, BAD),
    Reason.UNKNOWN_KEY: Refusal("UnrecognizedClientException", INVALID, BAD),
    Reason.WRONG_TOKEN: Refusal("UnrecognizedClientException", INVALID, BAD),
    Reason.ENDED_SESSION: Refusal("ExpiredTokenException", EXPIRED, BAD),
    Reason.WRONG_SIGNATURE: Refusal("InvalidSignatureException", MISMATCH + KEY_AND_METHOD, BAD),
    Reason.WRONG_TIME: Refusal("InvalidSignatureException", "", BAD),
}
OF_EC2: Words = {
    Reason.DENIED: Refusal("UnauthorizedOperation", "", FORBIDDEN),
    Reason.UNSIGNED: Refusal("MissingAuthenticationToken", MISSING, FORBIDDEN),
    Reason.UNKNOWN_KEY: Refusal("AuthFailure", NOT_VALIDATED, UNAUTHORIZED),
    Reason.WRONG_TOKEN: Refusal("AuthFailure", NOT_VALIDATED, UNAUTHORIZED),
    Reason.ENDED_SESSION: Refusal("RequestExpired", "Request has expired.", BAD),
    Reason.WRONG_SIGNATURE: Refusal("AuthFailure", NOT_VALIDATED, UNAUTHORIZED),
    Reason.WRONG_TIME: Refusal("RequestExpired", "Request has expired.", BAD),
}
OF_S3: Words = {
    Reason.DENIED: Refusal("AccessDenied", "", FORBIDDEN),
    Reason.UNSIGNED: Refusal("AccessDenied", "Access Denied", FORBIDDEN),
    Reason.UNKNOWN_KEY: Refusal(
        "InvalidAccessKeyId", "The AWS Access Key Id you provided does not exist in our records.", FORBIDDEN
    ),
    Reason.WRONG_TOKEN: Refusal("InvalidToken", "The provided token is malformed or otherwise invalid.", BAD),
    Reason.ENDED_SESSION: Refusal("ExpiredToken", "The provided token has expired.", BAD),
    Reason.WRONG_SIGNATURE: Refusal("SignatureDoesNotMatch", MISMATCH + "key and signing method.", FORBIDDEN),
    Reason.WRONG_DIGEST: Refusal(
        "XAmzContentSHA256Mismatch",
        "The provided 'x-amz-content-sha256' header does not match what was computed.",
        BAD,
    ),
    Reason.WRONG_TIME: Refusal(
        "RequestTimeTooSkewed",
        "The difference between the request time and the current time is too large.",
        FORBIDDEN,
    ),
    Reason.ENDED_ADDRESS: Refusal("AccessDenied", "Request has expired", FORBIDDEN),
}
BY_PROTOCOL = {QUERY: OF_QUERY, JSON: OF_JSON, CBOR: OF_JSON, EC2: OF_EC2, REST: OF_S3}
BY_SERVICE: dict[str, Words] = {"sns": {Reason.DENIED: Refusal("AuthorizationError", "", FORBIDDEN)}}
# Reasons that only S3 distinguishes -> the reason that other services report.
OTHERWISE = {Reason.WRONG_DIGEST: Reason.WRONG_SIGNATURE, Reason.ENDED_ADDRESS: Reason.WRONG_TIME}


def worded(reason: Reason, service: str, protocol: str, message: str = "") -> Refusal:
    """Return AWS's error for a reason; MESSAGE is used if the service has no fixed message for it."""
    words = BY_PROTOCOL[protocol]
    reason = reason if reason in words else OTHERWISE[reason]
    found = BY_SERVICE.get(service, {}).get(reason) or words[reason]
    return Refusal(found.code, found.message or message, found.status)
