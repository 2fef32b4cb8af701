"""Looks up principals and resources of the account in moto's state."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from moto.ec2.models import ec2_backends
from moto.ecr.models import ecr_backends
from moto.iam.models import iam_backends
from moto.s3.models import s3_backends
from moto.ssm.models import ssm_backends
from moto.sts.models import sts_backends

from sandbox.aws.authorization.authentication import Secrets
from sandbox.aws.authorization.organization import Organization
from sandbox.aws.authorization.policies import (
    BOUNDARY,
    RESOURCE,
    SESSION,
    Decision,
    Policy,
    Question,
    decide,
    parse,
)
from sandbox.aws.authorization.resource_policies import resource_policy

NOTHING: Mapping[str, str] = {}
# Actions that the resource's own policy must allow too, either to the principal or to the whole account.
ALSO_BY_THE_RESOURCE = ("kms:", "sts:AssumeRole")


@dataclass(frozen=True)
class Principal:
    """A user, or a session of a role."""

    arn: str
    # The unique id that IAM gives to a user or session.
    user_id: str
    name: str
    kind: str
    policies: tuple[Policy, ...]
    # Kind of policy (boundary, session) -> the policy that limits `policies`.
    limits: Mapping[str, Policy] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    # For a session: the ARN of its role.
    role: str = ""

    def __str__(self) -> str:
        """Return the name used in AWS's messages."""
        return self.arn


SERVICE = "Service"
# The principal with which the sandbox assumes the role of a host.
EC2 = Principal("ec2.amazonaws.com", "", "ec2", SERVICE, ())


@dataclass(frozen=True)
class Account:
    """One account in one region."""

    number: str
    region: str
    organization: Organization = field(default_factory=Organization)

    def owner(self, key: str) -> tuple[Principal, Secrets] | None:
        """Return the owner of an access key and the owner's secrets; None if nobody has the key."""
        for user in list(self._iam.users.values()):
            for one in user.access_keys:
                if one.access_key_id == key and one.status == "Active":
                    return self._user(user), Secrets(one.secret_access_key)
        session: Any = sts_backends[self.number]["aws"].get_assumed_role_from_access_key(key)
        principal = self._session(session) if session else None
        if principal is None:
            return None
        until = session.expiration.replace(tzinfo=dt.UTC)
        return principal, Secrets(session.secret_access_key, session.session_token, until)

    def name_of(self, key: str) -> str:
        """Return the name of the owner of an access key; the key itself if nobody has it."""
        found = self.owner(key)
        return found[0].name if found else key

    def simulated(self, principal: Principal, question: Question) -> Decision:
        """Decide like a simulation: by the principal's and organisation's policies, not the resource's."""
        above = self.organization.limits(question.action)
        return decide(question, principal.policies, None, principal.limits, above)

    def decide(self, principal: Principal, question: Question) -> Decision:
        """Decide by all policies that apply."""
        policy = resource_policy(self.number, self.region, question)
        limits = dict(principal.limits)
        own = list(principal.policies)
        direct = None
        role = frozenset({principal.role})
        names = role | {principal.arn, self.number, f"arn:aws:iam::{self.number}:root"}
        if policy is not None:
            # A grant to a user or session itself has no other limit; a grant to a role is limited like its
            # sessions; a grant to the account leaves the decision to the account's identity policies.
            direct = policy.of(frozenset({principal.arn}), denied=names)
            own.append(policy.of(role))
        if question.action.startswith(ALSO_BY_THE_RESOURCE) and question.resource != "*":
            limits[RESOURCE] = policy.of(names) if policy else Policy(())
        # An organisation's policies apply to the account's principals, not to AWS services.
        above = {} if principal.kind == SERVICE else self.organization.limits(question.action)
        return decide(question, own, direct, limits, above)

    def source(self, arn: str) -> Principal | None:
        """The user or role that has this ARN."""
        for user in list(self._iam.users.values()):
            if user.arn == arn:
                return self._user(user)
        role = self._role_at(arn)
        return self._role(role, arn, role.id, role.name, "Role") if role else None

    def public(self, bucket: str, key: str) -> bool:
        """Return whether everybody may read an object, which may belong to another account."""
        for account in list(s3_backends.values()):
            if found := account["aws"].buckets.get(bucket):
                entry = found.keys.get(key)
                return bool(entry and entry.acl and entry.acl.public_read)
        return False

    def ec2_tags(self, identifier: str) -> Mapping[str, str]:
        """Return the tags of an EC2 resource by its id; key pairs are also found by name."""
        key = self._ec2.key_pairs.get(identifier)
        return dict(self._ec2.tags.get(key.id if key else identifier, NOTHING))

    def tags(self, service: str, kind: str, name: str) -> Mapping[str, str]:
        """Return the tags of a resource of a service other than EC2."""
        if service == "ssm" and kind == "parameter":
            listed: Any = ssm_backends[self.number][self.region]._resource_tags.get("Parameter", {})
            return dict(listed.get(name, NOTHING))
        if service == "ssm" and kind == "instance":
            return self.ec2_tags(name)
        if service == "ssm" and kind == "session":
            return {"aws:ssmmessages:session-id": owner} if (owner := self._owner(name)) else NOTHING
        if service == "ecr":
            repository = ecr_backends[self.number][self.region].repositories.get(name)
            tagger = ecr_backends[self.number][self.region].tagger
            return dict(tagger.get_tag_dict_for_resource(repository.arn)) if repository else NOTHING
        if service == "iam":
            return {tag["Key"]: tag["Value"] for tag in self._iam_tags(kind, name)}
        return NOTHING

    def key_name(self, identifier: str) -> str:
        """The name of a key pair by its id."""
        return next(
            (key.key_name for key in list(self._ec2.key_pairs.values()) if key.id == identifier), identifier
        )

    def address(self, known: str) -> str:
        """Return the allocation id of an Elastic IP, by its address or association id."""
        for one in list(self._ec2.addresses):
            if known in (one.public_ip, one.association_id):
                return str(one.allocation_id)
        return known

    def route_table(self, association: str) -> tuple[str, str] | None:
        """The route table and the subnet of an association."""
        for table in list(self._ec2.route_tables.values()):
            if association in table._associations:
                return str(table.id), str(table._associations[association])
        return None

    def profiled(self, association: str) -> str | None:
        """Return the instance of an instance profile association."""
        found = self._ec2.iam_instance_profile_associations.get(association)
        return str(found.instance_id) if found else None

    def role_of(self, profile: str) -> str | None:
        """The ARN of the role in an instance profile, by its name or ARN."""
        for one in list(self._iam.instance_profiles.values()):
            if profile in (one.name, one.arn) and one.roles:
                return str(one.roles[0].arn)
        return None

    @property
    def _iam(self) -> Any:
        return iam_backends[self.number]["aws"]

    @property
    def _ec2(self) -> Any:
        return ec2_backends[self.number][self.region]

    def _user(self, user: Any) -> Principal:
        groups = self._iam.get_groups_for_user(user.name)
        return Principal(
            arn=user.arn,
            user_id=user.id,
            name=user.name,
            kind="User",
            policies=tuple(policy for holder in (user, *groups) for policy in _policies(holder)),
            tags={tag["Key"]: tag["Value"] for tag in user.tags or []},
        )

    def _session(self, session: Any) -> Principal | None:
        role = self._role_at(session.role_arn)
        if role is None:
            return None
        found = self._role(role, session.arn, session.user_id, session.session_name, "AssumedRole")
        named = [self._managed(arn) for arn in session.policy_arns]
        documents = [one for one in (session.policy, *named) if one]
        if not documents:
            return found
        statements = tuple(one for document in documents for one in parse(document).statements)
        return replace(found, limits={**found.limits, SESSION: Policy(statements)})

    def _role_at(self, arn: str) -> Any:
        return next((one for one in list(self._iam.roles.values()) if one.arn == arn), None)

    def _role(self, role: Any, arn: str, user_id: str, name: str, kind: str) -> Principal:
        """Make a principal with the policies of a role."""
        boundary = self._managed(role.permissions_boundary_arn)
        return Principal(
            arn=arn,
            user_id=user_id,
            name=name,
            kind=kind,
            policies=tuple(_policies(role)),
            limits={BOUNDARY: parse(boundary)} if boundary else {},
            tags={tag["Key"]: tag["Value"] for tag in role.tags},
            role=role.arn,
        )

    def _managed(self, arn: str) -> str | None:
        """The document of a managed policy."""
        found = self._iam.managed_policies.get(arn)
        return _document(found) if found else None

    def _owner(self, session: str) -> str | None:
        """Return who started a Session Manager session: its id begins with the user or session name."""
        users = {one.name: one.id for one in list(self._iam.users.values())}
        roles = {
            one.session_name: one.user_id for one in list(sts_backends[self.number]["aws"].assumed_roles)
        }
        return next((who for name, who in (users | roles).items() if session.startswith(f"{name}-")), None)

    def _iam_tags(self, kind: str, name: str) -> list[dict[str, str]]:
        if kind == "role":
            found = next((one for one in list(self._iam.roles.values()) if one.name == name), None)
        elif kind == "instance-profile":
            found = next(
                (one for one in list(self._iam.instance_profiles.values()) if one.name == name), None
            )
        else:
            found = self._iam.users.get(name)
        return list(found.tags or []) if found else []


def _policies(holder: Any) -> Iterator[Policy]:
    for document in holder.policies.values():
        yield parse(document)
    for managed in holder.managed_policies.values():
        yield parse(_document(managed))


def _document(managed: Any) -> str:
    return str(next(one.document for one in managed.versions if one.is_default))
