"""A deployment's secrets in the Parameter Store.

Shared by the modules that make secrets (role aws_secrets) and that rotate them (role rotation).
Values stay inside the process that makes them: no argument, result or file contains one.
"""

from __future__ import annotations

import secrets
import string
from typing import TYPE_CHECKING, Any

from ansible_collections.ragdock.host.plugins.module_utils.certificates import Pair, certificate_of, key_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ec

ALPHABET = string.ascii_letters + string.digits
PASSWORD_LENGTH = 40
# Attempts for each call: AWS throttles when many parameters are written one after the other.
MANY_ATTEMPTS = 6


def password() -> str:
    """A random secret that needs no quoting anywhere."""
    return "".join(secrets.choice(ALPHABET) for _unused in range(PASSWORD_LENGTH))


class Store:
    """The parameters under one path."""

    def __init__(self, ssm: Any, path: str, tags: dict[str, str]) -> None:
        self.ssm = ssm
        self.path = path
        self.tags = [{"Key": key, "Value": value} for key, value in tags.items()]

    def names(self) -> set[str]:
        """The names of the stored parameters."""
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(
            Path=self.path, WithDecryption=False
        )
        return {item["Name"].removeprefix(self.path) for page in pages for item in page["Parameters"]}

    def value(self, name: str) -> bytes:
        """A secret's value."""
        answer = self.ssm.get_parameter(Name=self.path + name, WithDecryption=True)
        return str(answer["Parameter"]["Value"]).encode()

    def add(self, name: str, value: str) -> None:
        """Store a new secret; AWS refuses a name that exists."""
        self.ssm.put_parameter(
            Name=self.path + name, Value=value, Type="SecureString", Overwrite=False, Tags=self.tags
        )

    def remove(self, names: list[str]) -> None:
        """Delete secrets, ten at a time as AWS allows."""
        for start in range(0, len(names), 10):
            self.ssm.delete_parameters(Names=[self.path + name for name in names[start : start + 10]])

    def replace(self, name: str, value: str) -> None:
        """Store a secret's value, whether or not the secret exists."""
        self.ssm.put_parameter(Name=self.path + name, Value=value, Type="SecureString", Overwrite=True)

    def key(self, name: str, suffix: str = "") -> ec.EllipticCurvePrivateKey:
        """The stored key of a pair."""
        key = key_of(self.value(f"{name}_key{suffix}"))
        if key is None:
            raise LookupError(f"{self.path}{name}_key is not a key that Ragdock made")
        return key

    def pair(self, name: str, suffix: str = "") -> Pair:
        """A stored key pair."""
        return Pair(self.key(name, suffix), certificate_of(self.value(f"{name}_cert{suffix}")))
