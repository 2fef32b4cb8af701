"""Asks, before a request reaches the AWS APIs, whether whoever sent it may do that."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.aws import operations
from sandbox.aws.authorization import catalog, refusals, services, simulation
from sandbox.aws.authorization.account import Account, Principal
from sandbox.aws.authorization.calls import Call, UnreadableError, read
from sandbox.aws.authorization.patterns import Context
from sandbox.aws.authorization.policies import Decision, Question, decide
from sandbox.aws.authorization.refusals import Refusal
from sandbox.aws.authorization.rights import Right
from sandbox.aws.recorder import App, Start, take_body
from sandbox.aws.signature import Credential, credential

# Nobody is asked for the right to know who they are.
FREE = frozenset({"sts:GetCallerIdentity"})
OWN_PATHS = "/sandbox/"
Log = Callable[[str], None]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Judge:
    """A WSGI application around the AWS APIs."""

    def __init__(self, app: App, account: Account, administrator: str, log: Log = _print) -> None:
        """Ask everybody but the administrator, who has this access key."""
        self._app = app
        self._account = account
        self._administrator = administrator
        self._log = log

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Let a request through, or answer it with AWS's refusal."""
        if str(environ.get("PATH_INFO", "")).startswith(OWN_PATHS):
            return self._app(environ, start_response)
        signed = credential(environ)
        service = signed.service if signed else _unsigned_service(environ)
        refusal = None
        if signed is None or signed.key != self._administrator:
            refusal = self._refusal(environ, signed, service)
        if refusal is None and signed is not None and _asks_for_a_simulation(environ, service):
            answer = simulation.simulate(read(environ, take_body(environ), signed), self._account)
            if isinstance(answer, bytes):
                start_response("200 OK", [("Content-Type", "text/xml")])
                return [answer]
            refusal = answer
        if refusal is None:
            return self._app(environ, start_response)
        status, headers, body = refusals.answer(refusal, service, environ)
        start_response(status, headers)
        return [body]

    def _refusal(self, environ: dict[str, Any], signed: Credential | None, service: str) -> Refusal | None:
        body = take_body(environ)
        codes = refusals.codes(service, environ)
        if signed is None:
            if service == "s3" and self._public(environ):
                return None
            self._log(f"Denied: {environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')} is not signed")
            return Refusal(codes.status, codes.unsigned, refusals.UNSIGNED)
        principal = self._account.principal(signed.key)
        if principal is None:
            self._log(f"Denied: {signed.key} is nobody's access key ({service})")
            return Refusal(codes.key_status, codes.unknown_key, refusals.UNKNOWN_KEY)
        try:
            call = read(environ, body, signed)
            rights = [] if call.action in FREE else services.rights(call, self._account)
        except (UnreadableError, KeyError) as error:
            self._log(f"Denied: {principal} sent what cannot be read: {error!r}")
            return Refusal(
                codes.status, codes.denied, f"User: {principal} sent a request that cannot be read"
            )
        for right in rights:
            decision = self.decide(principal, right, call)
            if not decision.allowed:
                self._log(f"Denied: {principal} {right.action} on {right.resource}: {decision.why}")
                return Refusal(codes.status, codes.denied, _message(principal, right, decision))
        return None

    def _public(self, environ: dict[str, Any]) -> bool:
        """Whether a request reads an object that is everybody's."""
        bucket, _, key = str(environ.get("PATH_INFO", "")).lstrip("/").partition("/")
        return environ.get("REQUEST_METHOD") in ("GET", "HEAD") and self._account.public(bucket, key)

    def principal(self, key: str) -> Principal | None:
        """Whose access key this is."""
        return self._account.principal(key)

    def decide(self, principal: Principal, right: Right, call: Call) -> Decision:
        """Whether somebody has a right."""
        if catalog.kinds(right.action) is None:
            return Decision(False, False, f"AWS has no action {right.action}")
        policy = None
        if right.action.startswith("s3:") and "Bucket" in call.parameters:
            bucket = right.resource.rpartition(":")[2].partition("/")[0]
            policy = self._account.bucket_policy(bucket)
        return decide(
            Question(right.action, right.resource, context(principal, right, self._account)),
            principal.policies,
            policy.of(principal.aliases) if policy else None,
            principal.boundary,
        )


def _asks_for_a_simulation(environ: dict[str, Any], service: str) -> bool:
    """By the operation's name alone: no other request is read for this, the administrator's above all."""
    return service == "iam" and operations.operation(environ, take_body(environ)) == simulation.OPERATION


def context(principal: Principal, right: Right, account: Account) -> Context:
    """The condition keys of a request, in lower case."""
    now = dt.datetime.now(dt.UTC)
    service = right.action.partition(":")[0]
    found = {
        "aws:CurrentTime": now.isoformat(timespec="seconds"),
        "aws:EpochTime": str(int(now.timestamp())),
        "aws:PrincipalAccount": account.number,
        "aws:PrincipalArn": principal.arn,
        "aws:PrincipalType": principal.kind,
        "aws:RequestedRegion": account.region,
        # This AWS has no other way in than http; on AWS nobody here would use it.
        "aws:SecureTransport": "true",
        "aws:ViaAWSService": "false",
        "aws:userid": principal.user_id,
        f"{service}:Region": account.region,
        **right.keys,
    }
    if principal.kind == "User":
        found["aws:username"] = principal.name
    for key, value in principal.tags.items():
        found[f"aws:PrincipalTag/{key}"] = value
    for key, value in right.tags.items():
        found[f"aws:ResourceTag/{key}"] = found[f"{service}:ResourceTag/{key}"] = value
    for key, value in right.request_tags.items():
        found[f"aws:RequestTag/{key}"] = value
    values = {key.lower(): (value,) for key, value in found.items()}
    return values | ({"aws:tagkeys": tuple(right.request_tags)} if right.request_tags else {})


def _message(principal: Principal, right: Right, decision: Decision) -> str:
    why = (
        "with an explicit deny"
        if decision.explicit
        else (f"because no identity-based policy allows the {right.action} action")
    )
    said = (
        f"User: {principal} is not authorized to perform: {right.action} on resource: {right.resource} {why}"
    )
    if right.action.startswith("ec2:"):
        return f"You are not authorized to perform this operation. {said}"
    return said


def _unsigned_service(environ: dict[str, Any]) -> str:
    """In whose form to refuse a request that is not signed: S3's, whose requests look like no other's."""
    named = environ.get("HTTP_X_AMZ_TARGET") or "form-urlencoded" in str(environ.get("CONTENT_TYPE", ""))
    return "" if named else "s3"
