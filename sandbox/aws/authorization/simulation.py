"""IAM's SimulatePrincipalPolicy: would a principal be allowed to do this?"""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus
from xml.sax.saxutils import escape

from sandbox.aws.authorization.account import Account, Principal
from sandbox.aws.authorization.calls import Call
from sandbox.aws.authorization.patterns import Context
from sandbox.aws.authorization.policies import Decision, Question
from sandbox.aws.refusals import REQUEST, Refusal

OPERATION = "SimulatePrincipalPolicy"
FORM = """<?xml version="1.0" encoding="UTF-8"?>
<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">\
<SimulatePrincipalPolicyResult><IsTruncated>false</IsTruncated>\
<EvaluationResults>{results}</EvaluationResults></SimulatePrincipalPolicyResult>\
<ResponseMetadata><RequestId>{request}</RequestId></ResponseMetadata></SimulatePrincipalPolicyResponse>"""
RESULT = """<member><EvalActionName>{action}</EvalActionName><EvalResourceName>{resource}</EvalResourceName>\
<EvalDecision>{decision}</EvalDecision><MatchedStatements/><MissingContextValues/></member>"""


def simulate(call: Call, account: Account) -> bytes | Refusal:
    """Decide about each action on each resource in the request, with the context that it gives."""
    source = str(call.parameters["PolicySourceArn"])
    principal = account.source(source)
    if principal is None:
        return Refusal("NoSuchEntity", f"Invalid Entity Arn: {source}", HTTPStatus.NOT_FOUND)
    results = "".join(
        RESULT.format(action=escape(action), resource=escape(resource), decision=_word(decision))
        for action, resource, decision in _decisions(call, principal, account)
    )
    return FORM.format(results=results, request=REQUEST).encode()


def _decisions(call: Call, principal: Principal, account: Account) -> Iterator[tuple[str, str, Decision]]:
    given: Context = {
        str(one["ContextKeyName"]).lower(): tuple(map(str, one["ContextKeyValues"]))
        for one in call.parameters.get("ContextEntries") or []
    }
    for action in call.parameters["ActionNames"]:
        for resource in call.parameters.get("ResourceArns") or ["*"]:
            yield action, resource, account.simulated(principal, Question(action, resource, given))


def _word(decision: Decision) -> str:
    return "allowed" if decision.allowed else "explicitDeny" if decision.explicit else "implicitDeny"
