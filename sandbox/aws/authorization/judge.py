"""Authenticates and authorizes each request before it reaches the AWS APIs."""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Callable, Iterable
from typing import Any

from sandbox.aws import operations
from sandbox.aws.authorization import catalog, services, simulation
from sandbox.aws.authorization.account import EC2, Account, Principal
from sandbox.aws.authorization.authentication import Secrets, problem
from sandbox.aws.authorization.calls import Call, UnreadableError, read
from sandbox.aws.authorization.organization import UnreadablePolicyError
from sandbox.aws.authorization.patterns import Context
from sandbox.aws.authorization.policies import IDENTITY, Decision, Question
from sandbox.aws.authorization.reasons import Reason, worded
from sandbox.aws.authorization.rights import Right
from sandbox.aws.people import Keys
from sandbox.aws.recorder import App, Start, take_body
from sandbox.aws.refusals import REST, Refusal, protocol
from sandbox.aws.signature import Credential, credential

# Actions that need no permission: every caller may ask for its own identity.
FREE = frozenset({"sts:GetCallerIdentity"})
BECOMING = "AssumeRole"
OWN_PATHS = "/sandbox/"
Log = Callable[[str], None]


def _print(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def now() -> dt.datetime:
    """AWS's clock."""
    return dt.datetime.now(dt.UTC)


class Judge:
    """A WSGI application around the AWS APIs.

    Every request must be signed. All callers except the administrator, who acts as AWS itself, also need
    permissions.
    """

    def __init__(self, app: App, account: Account, administrator: Keys, log: Log = _print) -> None:
        """Decide by the principals and policies of ACCOUNT."""
        self._app = app
        self._account = account
        self._administrator = administrator
        self._log = log

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Pass a request on, or answer it with AWS's error."""
        if str(environ.get("PATH_INFO", "")).startswith(OWN_PATHS):
            return self._app(environ, start_response)
        # Take the time before the body is read: that may take longer than a signature is valid.
        arrived = now()
        body = take_body(environ)
        signed = credential(environ)
        form = protocol(signed.service if signed else "", environ, body)
        refusal = self._refusal(environ, body, signed, form, arrived)
        if refusal is None and signed is not None and _asks_for_a_simulation(environ, body, signed):
            answer = simulation.simulate(read(environ, body, signed), self._account)
            if isinstance(answer, bytes):
                start_response("200 OK", [("Content-Type", "text/xml")])
                return [answer]
            refusal = answer
        if refusal is None:
            return self._app(environ, start_response)
        status, headers, content = refusal.answer(form, environ["REQUEST_METHOD"])
        start_response(status, headers)
        return [content]

    def _refusal(
        self,
        environ: dict[str, Any],
        body: bytes,
        signed: Credential | None,
        form: str,
        arrived: dt.datetime,
    ) -> Refusal | None:
        if signed is None:
            if form == REST and self._public(environ):
                return None
            self._log(f"Denied: {environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')} is not signed")
            return worded(Reason.UNSIGNED, "", form)
        by_administrator = signed.key == self._administrator.access
        owner = None if by_administrator else self._account.owner(signed.key)
        if owner is None and not by_administrator:
            self._log(f"Denied: {signed.key} is nobody's access key ({signed.service})")
            return worded(Reason.UNKNOWN_KEY, signed.service, form)
        principal, secrets = owner or (None, Secrets(self._administrator.secret))
        if wrong := problem(secrets, signed, environ, body, arrived):
            reason, said = wrong
            what = reason.name.lower().replace("_", " ")
            self._log(
                f"Denied: {principal or 'the administrator'} by {signed.key} ({signed.service}): {what}"
            )
            return worded(reason, signed.service, form, said)
        if principal is None and operations.operation(environ, body) == BECOMING:
            # The role's trust policy decides here too: only a role that trusts EC2 gives a host credentials.
            principal = EC2
        return self._unauthorized(environ, body, signed, principal, form) if principal else None

    def _unauthorized(
        self, environ: dict[str, Any], body: bytes, signed: Credential, principal: Principal, form: str
    ) -> Refusal | None:
        """Return the error for a principal without the needed permissions, or None."""
        try:
            call = read(environ, body, signed)
            rights = [] if call.action in FREE else services.rights(call, self._account)
        except (UnreadableError, KeyError) as error:
            self._log(f"Denied: {principal} sent what cannot be read: {error!r}")
            said = f"User: {principal} sent a request that cannot be read"
            return worded(Reason.DENIED, signed.service, form, said)
        try:
            said = self._denial(principal, call, rights)
        except UnreadablePolicyError as error:
            self._log(f"Denied: {principal} {call.action}: {error}")
            said = str(error)
        return worded(Reason.DENIED, signed.service, form, said) if said else None

    def _denial(self, principal: Principal, call: Call, rights: list[Right]) -> str:
        """Return the message about the first missing permission; empty if none is missing."""
        for right in rights:
            decision = self.decide(principal, right, call)
            if not decision.allowed:
                self._log(f"Denied: {principal} {right.action} on {right.resource}: {decision.why}")
                return _message(principal, right, decision)
        return ""

    def _public(self, environ: dict[str, Any]) -> bool:
        """Return whether a request reads a public object."""
        bucket, _, key = str(environ.get("PATH_INFO", "")).lstrip("/").partition("/")
        return environ.get("REQUEST_METHOD") in ("GET", "HEAD") and self._account.public(bucket, key)

    def decide(self, principal: Principal, right: Right, call: Call) -> Decision:
        """Decide whether a principal has a permission."""
        del call
        if catalog.kinds(right.action) is None:
            return Decision(False, False, f"AWS has no action {right.action}", IDENTITY)
        question = Question(right.action, right.resource, context(principal, right, self._account))
        return self._account.decide(principal, question)


def _asks_for_a_simulation(environ: dict[str, Any], body: bytes, signed: Credential) -> bool:
    """Check only the operation's name: no other request, least of all the administrator's, is parsed."""
    return signed.service == "iam" and operations.operation(environ, body) == simulation.OPERATION


def context(principal: Principal, right: Right, account: Account) -> Context:
    """Return the condition keys of a request, in lower case."""
    at = now()
    service = right.action.partition(":")[0]
    found = {
        "aws:CurrentTime": at.isoformat(timespec="seconds"),
        "aws:EpochTime": str(int(at.timestamp())),
        "aws:PrincipalAccount": account.number,
        "aws:PrincipalArn": principal.arn,
        "aws:PrincipalType": principal.kind,
        "aws:RequestedRegion": account.region,
        # This AWS is reached over http only, but stands for requests that would use https on AWS.
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
        f"with an explicit deny in {'an' if decision.kind.startswith('i') else 'a'} {decision.kind}"
        if decision.explicit
        else f"because no {decision.kind} allows the {right.action} action"
    )
    said = (
        f"User: {principal} is not authorized to perform: {right.action} on resource: {right.resource} {why}"
    )
    if right.action.startswith("ec2:"):
        return f"You are not authorized to perform this operation. {said}"
    return said
