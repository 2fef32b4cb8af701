"""A deployment's secrets in the Parameter Store: how values are born, where they lie.

Shared by the modules that make secrets (role aws_secrets) and that rotate them (role rotation).
Values stay inside the process that makes them: no argument, result or file holds one.
"""

from __future__ import annotations

import ipaddress
import secrets
import string
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from botocore.config import Config
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

ALPHABET = string.ascii_letters + string.digits
PASSWORD_LENGTH = 40
CA_LIFE = timedelta(days=3652)
LEAF_LIFE = timedelta(days=730)
CLOCK_SKEW = timedelta(hours=1)
USAGES = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
QUICK = Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 6, "mode": "standard"})


class Pair(NamedTuple):
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> tuple[str, str]:
        """Both as text."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key.decode(), self.certificate.public_bytes(Encoding.PEM).decode()


def password() -> str:
    """A random secret that needs no quoting anywhere."""
    return "".join(secrets.choice(ALPHABET) for _ in range(PASSWORD_LENGTH))


def alternative(name: str) -> x509.GeneralName:
    """A name or an address for the certificate."""
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def key_usage(authority: bool) -> x509.KeyUsage:
    """An authority signs certificates, a leaf signs handshakes."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def issue(
    wanted: dict[str, Any],
    deployment: str,
    issuer: Pair | None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Pair:
    """A new key pair, or a certificate for a key; its own authority when there is no issuer."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"Ragdock {deployment}"),
            x509.NameAttribute(NameOID.COMMON_NAME, wanted["common_name"]),
        ]
    )
    signer = issuer.key if issuer else key
    now = datetime.now(UTC)
    # A leaf that outlived its authority would look good and be refused.
    ends = min(now + LEAF_LIFE, issuer.certificate.not_valid_after_utc) if issuer else now + CA_LIFE
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.certificate.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(ends)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(key_usage(authority=issuer is None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False
        )
    )
    if issuer:
        usages = [USAGES[usage] for usage in wanted["usages"]]
        names = [alternative(name) for name in wanted.get("names") or [wanted["common_name"]]]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Pair(key, builder.sign(signer, hashes.SHA256()))


def countersign(renewed: Pair, old: Pair) -> str:
    """An authority's certificate with the old one's signature: who trusts the old one follows it to the new.

    It may be shown for as long as the new one lives: when the old one has ended it is of no use, and no harm.
    """
    mine = renewed.certificate
    builder = (
        x509.CertificateBuilder()
        .subject_name(mine.subject)
        .issuer_name(old.certificate.subject)
        .public_key(mine.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(mine.not_valid_before_utc)
        .not_valid_after(mine.not_valid_after_utc)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(old.key.public_key()), critical=False
        )
    )
    for one in mine.extensions:
        if not isinstance(one.value, x509.AuthorityKeyIdentifier):
            builder = builder.add_extension(one.value, one.critical)
    return builder.sign(old.key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


class Store:
    """The parameters under one path."""

    def __init__(self, ssm: Any, path: str, tags: dict[str, str]) -> None:
        self.ssm = ssm
        self.path = path
        self.tags = [{"Key": key, "Value": value} for key, value in tags.items()]

    def names(self) -> set[str]:
        """What is there."""
        pages = self.ssm.get_paginator("get_parameters_by_path").paginate(
            Path=self.path, WithDecryption=False
        )
        return {item["Name"].removeprefix(self.path) for page in pages for item in page["Parameters"]}

    def value(self, name: str) -> bytes:
        """A secret's value."""
        answer = self.ssm.get_parameter(Name=self.path + name, WithDecryption=True)
        return str(answer["Parameter"]["Value"]).encode()

    def add(self, name: str, value: str) -> None:
        """A new secret; AWS refuses when the name is taken."""
        self.ssm.put_parameter(
            Name=self.path + name, Value=value, Type="SecureString", Overwrite=False, Tags=self.tags
        )

    def remove(self, names: list[str]) -> None:
        """Delete secrets, ten at a time as AWS allows."""
        for start in range(0, len(names), 10):
            self.ssm.delete_parameters(Names=[self.path + name for name in names[start : start + 10]])

    def replace(self, name: str, value: str) -> None:
        """Another value for a secret, or its first."""
        self.ssm.put_parameter(Name=self.path + name, Value=value, Type="SecureString", Overwrite=True)

    def key(self, name: str, suffix: str = "") -> ec.EllipticCurvePrivateKey:
        """The stored key of a pair."""
        key = load_pem_private_key(self.value(f"{name}_key{suffix}"), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise LookupError(f"{self.path}{name}_key is not a key that Ragdock made")
        return key

    def pair(self, name: str, suffix: str = "") -> Pair:
        """A stored key pair."""
        certificate = self.value(f"{name}_cert{suffix}")
        return Pair(self.key(name, suffix), x509.load_pem_x509_certificate(certificate))
