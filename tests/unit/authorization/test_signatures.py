"""An access key is worthless without its secret: requests that are refused before any policy is read."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

from sandbox.aws import signature
from sandbox.aws.people import Keys
from sandbox.settings import OPERATOR_KEYS
from tests.local_aws import ADMINISTRATOR, JudgedAws
from tests.unit.authorization.conftest import ACCOUNT, assume, session_client
from tests.unit.authorization.requests_of import refused

BUCKET = f"ragdock-demo-{ACCOUNT}"
PARAMETER = {"Name": "/ragdock/demo/app_password"}
# One call for each protocol, and one for S3.
CALLS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("sts", "get_caller_identity", {}),
    ("ssm", "get_parameter", PARAMETER),
    ("ec2", "describe_vpcs", {}),
    ("s3", "get_object", {"Bucket": BUCKET, "Key": "backup/config"}),
    ("cloudwatch", "describe_alarms", {}),
    ("route53", "list_hosted_zones", {}),
)
MISMATCH = "The request signature we calculated does not match the signature you provided."
NOT_VALIDATED = "AWS was not able to validate the provided access credentials"


@contextmanager
def clock(offset: dt.timedelta) -> Iterator[None]:
    """Sign like a machine whose clock is wrong by OFFSET."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("botocore.auth.get_current_datetime", lambda: dt.datetime.now(dt.UTC) + offset)
        yield


def signed(aws: JudgedAws, body: bytes, **headers: str) -> AWSRequest:
    """A signed request to store an object."""
    url = f"{aws.url}/{BUCKET}/backup/signed"
    request = AWSRequest("PUT", url, headers | {"Host": aws.url.removeprefix("http://")}, body)
    signer = S3SigV4Auth if "x-amz-content-sha256" not in headers else Streaming
    signer(Credentials(*ADMINISTRATOR), "s3", "us-east-1").add_auth(request)
    return request


class Streaming(S3SigV4Auth):
    """A signer that uses the payload hash that the request states."""

    def payload(self, request: Any) -> str:
        """Return the stated payload hash."""
        return str(request.context["payload"])


def sent(request: AWSRequest, body: bytes) -> tuple[int, str]:
    """Send a request and return the status and the text of the answer."""
    headers = {name: str(value) for name, value in request.headers.items()}
    found = requests.request(str(request.method), str(request.url), headers=headers, data=body, timeout=5)
    return found.status_code, found.text


@pytest.mark.parametrize(("service", "operation", "parameters"), CALLS)
def test_the_right_secret_is_enough(
    aws: JudgedAws, service: str, operation: str, parameters: dict[str, Any]
) -> None:
    """Without this, the refusals tested below would prove nothing."""
    getattr(aws.client(service), operation)(**parameters)


@pytest.mark.parametrize(
    ("call", "code", "message"),
    zip(
        CALLS,
        (
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "AuthFailure",
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "SignatureDoesNotMatch",
        ),
        (MISMATCH, MISMATCH, NOT_VALIDATED, MISMATCH, MISMATCH, MISMATCH),
        strict=True,
    ),
    ids=[name for name, _, _ in CALLS],
)
@pytest.mark.parametrize(
    "access", [OPERATOR_KEYS.access, ADMINISTRATOR.access], ids=["operator", "administrator"]
)
def test_another_secret_is_refused(
    aws: JudgedAws, access: str, call: tuple[str, str, dict[str, Any]], code: str, message: str
) -> None:
    """Key ids are in every log, so an id alone must not be enough, not even the sandbox's own."""
    service, operation, parameters = call
    found = refused(getattr(aws.client(service, Keys(access, "guessed")), operation), **parameters)
    assert found[0] == code
    assert found[1].startswith(message)
    assert aws.log[-1].endswith(f"({aws_name(service)}): wrong signature")


def aws_name(service: str) -> str:
    """The name that a signature uses for the service."""
    return {"cloudwatch": "monitoring"}.get(service, service)


def test_a_body_that_was_changed_on_the_way_is_refused(aws: JudgedAws) -> None:
    """The signature covers the digest of the body."""
    request = signed(aws, b"one")
    assert sent(request, b"one")[0] == 200
    status, text = sent(request, b"two")
    assert (status, "<Code>XAmzContentSHA256Mismatch</Code>" in text) == (400, True)
    request.headers.replace_header("X-Amz-Content-SHA256", hashlib.sha256(b"two").hexdigest())
    status, text = sent(request, b"two")
    assert (status, "<Code>SignatureDoesNotMatch</Code>" in text) == (403, True)


def test_parameters_that_were_changed_on_the_way_are_refused(aws: JudgedAws) -> None:
    """In the query protocol, the parameters are the body."""
    body = b"Action=DescribeVpcs&Version=2016-11-15"
    request = AWSRequest("POST", f"{aws.url}/", {"Content-Type": "application/x-www-form-urlencoded"}, body)
    SigV4Auth(Credentials(*ADMINISTRATOR), "ec2", "us-east-1").add_auth(request)
    assert sent(request, body)[0] == 200
    status, text = sent(request, body.replace(b"Vpcs", b"Subnets"))
    assert (status, NOT_VALIDATED in text) == (401, True)


def test_a_header_or_an_address_that_was_changed_is_refused(aws: JudgedAws) -> None:
    """The signature covers both."""
    request = signed(aws, b"x", **{"x-amz-acl": "private"})
    request.headers.replace_header("x-amz-acl", "public-read")
    assert sent(request, b"x")[0] == 403
    other = signed(aws, b"x")
    other.url = f"{other.url}-too"
    assert sent(other, b"x")[0] == 403


def chunks(request: AWSRequest, *parts: bytes, trailer: bytes = b"") -> bytes:
    """A body of signed chunks, as programs send long bodies: restic does."""
    signer = Streaming(Credentials(*ADMINISTRATOR), "s3", "us-east-1")
    stamp, scope = request.context["timestamp"], signer.credential_scope(request)
    previous = request.headers["Authorization"].rpartition("=")[2]
    body = b""
    for part in (*parts, b""):
        digests = (hashlib.sha256(b"").hexdigest(), hashlib.sha256(part).hexdigest())
        text = "\n".join(("AWS4-HMAC-SHA256-PAYLOAD", stamp, scope, previous, *digests))
        previous = signer.signature(text, request)
        body += f"{len(part):x};chunk-signature={previous}\r\n".encode() + part + (b"\r\n" if part else b"")
    if trailer:
        digest = hashlib.sha256(trailer + b"\n").hexdigest()
        text = "\n".join(("AWS4-HMAC-SHA256-TRAILER", stamp, scope, previous, digest))
        last = signer.signature(text, request)
        return body + trailer + f"\r\nx-amz-trailer-signature:{last}\r\n".encode()
    return body


@pytest.mark.parametrize(
    ("form", "trailer"),
    [
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", b""),
        ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", b"x-amz-checksum-crc32:AAAAAA=="),
    ],
)
def test_each_chunk_of_a_body_is_signed(aws: JudgedAws, form: str, trailer: bytes) -> None:
    """The signature covers the chunk, its order, the end and the trailer."""
    url = f"{aws.url}/{BUCKET}/backup/chunked"
    request = AWSRequest("PUT", url, {"Host": aws.url.removeprefix("http://")}, b"")
    request.context["payload"] = form
    Streaming(Credentials(*ADMINISTRATOR), "s3", "us-east-1").add_auth(request)
    good = chunks(request, b"first", b"second", trailer=trailer)
    environ = environ_of(request, form)
    found = signature.credential(environ)
    assert found

    def passes(body: bytes) -> bool:
        return signature.is_signed_with(ADMINISTRATOR.secret, found, environ, body)

    assert passes(good)
    for bad in (
        good.replace(b"second", b"secons"),
        good[: good.rindex(b"0;chunk")],
        chunks(request, b"first", trailer=trailer) + good,
        b"no chunks at all",
        b"",
    ):
        assert not passes(bad)
    if trailer:
        assert not passes(good.replace(b"AAAAAA", b"AAAAAB"))


def environ_of(request: AWSRequest, form: str) -> dict[str, Any]:
    """The request as a WSGI server receives it."""
    headers = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in request.headers.items()}
    path = "/" + str(request.url).split("/", 3)[3]
    return {"REQUEST_METHOD": "PUT", "RAW_URI": path, "HTTP_X_AMZ_CONTENT_SHA256": form, **headers}


def test_a_body_that_is_not_signed_has_its_request_signed(aws: JudgedAws) -> None:
    """boto3 sends large bodies this way where TLS protects them."""
    config = Config(s3={"payload_signing_enabled": False}, request_checksum_calculation="when_required")
    parameters = {"Bucket": BUCKET, "Key": "backup/unsigned", "Body": b"x"}
    aws.client("s3", config=config).put_object(**parameters)
    wrong = aws.client("s3", Keys(ADMINISTRATOR.access, "guessed"), config=config)
    assert refused(wrong.put_object, **parameters)[0] == "SignatureDoesNotMatch"


@pytest.mark.parametrize("minutes", [-20, 20])
@pytest.mark.parametrize(
    ("call", "code", "message"),
    [
        (CALLS[0], "SignatureDoesNotMatch", ("Signature expired: ", "Signature not yet current: ")),
        (CALLS[1], "InvalidSignatureException", ("Signature expired: ", "Signature not yet current: ")),
        (CALLS[2], "RequestExpired", ("Request has expired.",) * 2),
        (CALLS[3], "RequestTimeTooSkewed", ("The difference between the request time and",) * 2),
    ],
    ids=[name for name, _, _ in CALLS[:4]],
)
def test_a_clock_that_is_wrong_is_refused(
    aws: JudgedAws, call: tuple[str, str, dict[str, Any]], code: str, message: tuple[str, str], minutes: int
) -> None:
    """Somebody who recorded a request must not be able to send it the next day."""
    service, operation, parameters = call
    # boto3 corrects its clock after such a refusal and sends a request to S3 again.
    with clock(dt.timedelta(minutes=minutes)):
        found = refused(getattr(aws.client(service), operation), **parameters)
    assert found[0] == code
    assert found[1].startswith(message[minutes > 0])


@pytest.mark.parametrize("minutes", [-4, 4])
def test_a_clock_may_be_wrong_by_some_minutes(aws: JudgedAws, minutes: int) -> None:
    with clock(dt.timedelta(minutes=minutes)):
        for service, operation, parameters in CALLS:
            getattr(aws.client(service), operation)(**parameters)


def test_a_presigned_address_is_good_for_its_time_and_its_object(aws: JudgedAws) -> None:
    s3 = aws.client("s3", config=Config(signature_version="s3v4"))
    wanted = {"Bucket": BUCKET, "Key": "backup/config"}
    address = s3.generate_presigned_url("get_object", Params=wanted, ExpiresIn=60)
    assert requests.get(address, timeout=5).content == b"demo"
    assert (
        requests.get(address.replace("X-Amz-Expires=60", "X-Amz-Expires=999"), timeout=5).status_code == 403
    )
    assert requests.get(address.replace("backup/config", "backup/other"), timeout=5).status_code == 403
    assert requests.put(address, data=b"x", timeout=5).status_code == 403
    with clock(dt.timedelta(seconds=-61)):
        old = s3.generate_presigned_url("get_object", Params=wanted, ExpiresIn=60)
    found = requests.get(old, timeout=5)
    assert (found.status_code, "<Message>Request has expired</Message>" in found.text) == (403, True)


class TestASession:
    """Is identified by a key, its secret and its token, until it expires."""

    @pytest.mark.parametrize(
        ("call", "code"),
        zip(
            CALLS[:4],
            ("InvalidClientTokenId", "UnrecognizedClientException", "AuthFailure", "InvalidToken"),
            strict=True,
        ),
        ids=[name for name, _, _ in CALLS[:4]],
    )
    @pytest.mark.parametrize("token", ["", "anything", "another's"])
    def test_has_its_own_token(
        self, aws: JudgedAws, call: tuple[str, str, dict[str, Any]], code: str, token: str
    ) -> None:
        service, operation, parameters = call
        given, other = assume(aws), assume(aws)
        token = other["SessionToken"] if token == "another's" else token
        client = session_client(aws, given | {"SessionToken": token}, service)
        assert refused(getattr(client, operation), **parameters)[0] == code

    @pytest.mark.parametrize(
        ("call", "code"),
        zip(
            CALLS[:4],
            ("ExpiredToken", "ExpiredTokenException", "RequestExpired", "ExpiredToken"),
            strict=True,
        ),
        ids=[name for name, _, _ in CALLS[:4]],
    )
    def test_ends(self, aws: JudgedAws, call: tuple[str, str, dict[str, Any]], code: str) -> None:
        """For example overnight: the error must say so, or nobody would know what to do."""
        service, operation, parameters = call
        ended = assume(aws, DurationSeconds=900, made=dt.timedelta(minutes=-4))
        assert session_client(aws, ended, "sts").get_caller_identity()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(
                "sandbox.aws.authorization.judge.now",
                lambda: dt.datetime.now(dt.UTC) + dt.timedelta(minutes=12),
            )
            with clock(dt.timedelta(minutes=12)):
                found = refused(getattr(session_client(aws, ended, service), operation), **parameters)
        assert found[0] == code

    def test_ends_so_long_after_its_request(self, aws: JudgedAws) -> None:
        """The time counts from the original request: a replay at a sandbox start must not extend it."""
        ends = assume(aws, DurationSeconds=900, made=dt.timedelta(minutes=-4))["Expiration"]
        assert abs(ends - dt.datetime.now(dt.UTC) - dt.timedelta(minutes=11)) < dt.timedelta(seconds=30)

    def test_of_nobody_is_refused(self, aws: JudgedAws) -> None:
        given = {"AccessKeyId": "ASIANOBODY0000000000", "SecretAccessKey": "x", "SessionToken": "x"}
        found = refused(session_client(aws, given, "sts").get_caller_identity)
        assert found == ("InvalidClientTokenId", "The security token included in the request is invalid.")


def test_a_user_has_no_token(aws: JudgedAws) -> None:
    client = aws.client("sts", OPERATOR_KEYS, token="anything")
    assert refused(client.get_caller_identity)[0] == "InvalidClientTokenId"
