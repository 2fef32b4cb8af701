"""Who has an access key from the beginning: the operator, and the sandbox itself."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping
from typing import Any, cast

OPERATOR = "operator"


def administrator_key(secret: bytes) -> str:
    """The access key of the sandbox's own parts, which are asked for no rights: they play AWS itself.

    Made from the secret that only the sandbox has, so that nothing has to be kept.
    """
    digest = hashlib.sha256(b"administrator " + secret).digest()
    return f"AKIA{base64.b32encode(digest).decode()[:16]}"


def make_operator(account: str, key: str, policies: Mapping[str, str]) -> None:
    """A user with this access key and just these policies, by name."""
    from moto.iam.models import AccessKey, iam_backends

    iam = iam_backends[account]["aws"]
    user = iam.create_user("us-east-1", OPERATOR)
    for name, document in policies.items():
        policy = iam.create_policy("", "/", document, name, [])
        iam.attach_user_policy(policy.arn, OPERATOR)
    made: Any = cast(Any, AccessKey)(OPERATOR, prefix="AKIA", account_id=account)
    made.access_key_id = key
    user.access_keys.append(made)
    iam.access_keys[key] = made
