"""The control policies that an organisation applies to all principals of an account, one file each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sandbox.aws.authorization.policies import Policy, Statement, parse

SERVICE_CONTROL, RESOURCE_CONTROL = "service control policy", "resource control policy"
# The services to which resource control policies apply.
GUARDED = frozenset(
    {
        "aoss",
        "cognito-identity",
        "cognito-idp",
        "dynamodb",
        "ecr",
        "kms",
        "s3",
        "secretsmanager",
        "sqs",
        "sts",
    }
)
# FullAWSAccess, which AWS attaches by default. A policy that allows less replaces it.
FULL = parse('{"Statement": [{"Sid": "FullAWSAccess", "Effect": "Allow", "Action": "*", "Resource": "*"}]}')


class UnreadablePolicyError(ValueError):
    """A file is not a valid policy. While it exists, every request is denied."""


@dataclass(frozen=True)
class Organization:
    """The control policies in a folder; without policies, the account is in no organisation."""

    folder: Path | None = None

    def limits(self, action: str) -> Mapping[str, Policy]:
        """Return, per kind of policy, what all policies of that kind together allow and deny."""
        statements = list(self._statements())
        of_services = [one for one in statements if not one.principals]
        of_resources = [one for one in statements if one.principals]
        found = {SERVICE_CONTROL: _whole(of_services)} if of_services else {}
        if of_resources and action.partition(":")[0] in GUARDED:
            found[RESOURCE_CONTROL] = _whole(of_resources)
        return found

    def _statements(self) -> Iterator[Statement]:
        for path in sorted(self.folder.glob("*.json")) if self.folder else ():
            try:
                yield from parse(path.read_text()).statements
            except (ValueError, LookupError, TypeError, AttributeError) as error:
                raise UnreadablePolicyError(f"{path.name} is no control policy: {error!r}") from error


def _whole(statements: list[Statement]) -> Policy:
    full = () if any(one.allows for one in statements) else FULL.statements
    return Policy((*statements, *full))
