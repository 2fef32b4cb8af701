"""The access keys that exist from the start: the operator's and the sandbox's own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

OPERATOR = "operator"


class Keys(NamedTuple):
    """An access key and its secret half."""

    access: str
    secret: str


def administrator(secret: bytes) -> Keys:
    """Return the keys of the sandbox's own parts, which act as AWS itself and need no permissions.

    They are derived from the sandbox's secret, so that nothing else has to be stored.
    """
    digest = hashlib.sha256(b"administrator " + secret).digest()
    hidden = hashlib.sha256(b"administrator's secret " + secret).hexdigest()
    return Keys(f"AKIA{base64.b32encode(digest).decode()[:16]}", hidden)


def make_operator(account: str, keys: Keys, policies: Mapping[str, str]) -> None:
    """Create a user with these keys and only these policies (name -> document)."""
    from moto.iam.models import AccessKey, iam_backends

    iam = iam_backends[account]["aws"]
    user = iam.create_user("us-east-1", OPERATOR)
    for name, document in policies.items():
        policy = iam.create_policy("", "/", document, name, [])
        iam.attach_user_policy(policy.arn, OPERATOR)
    made: Any = cast(Any, AccessKey)(OPERATOR, prefix="AKIA", account_id=account)
    made.access_key_id, made.secret_access_key = keys
    user.access_keys.append(made)
    iam.access_keys[keys.access] = made
