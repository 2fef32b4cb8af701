"""Makes key pairs and certificates, and reads when they expire."""

from __future__ import annotations

import ipaddress
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

with suppress(ImportError):
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

CA_LIFE = timedelta(days=3652)
LEAF_LIFE = timedelta(days=730)
CLOCK_SKEW = timedelta(hours=1)


class Pair(NamedTuple):
    """A private key and its certificate."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    def pem(self) -> tuple[str, str]:
        """Both as text."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return key.decode(), self.certificate.public_bytes(Encoding.PEM).decode()


def alternative(name: str) -> x509.GeneralName:
    """A name or an address as a subject alternative name."""
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
    params: dict[str, Any],
    deployment: str,
    issuer: Pair | None,
    key: ec.EllipticCurvePrivateKey | None = None,
) -> Pair:
    """Make a key pair, or a certificate for KEY; without an issuer it is an authority that signs itself."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"Ragdock {deployment}"),
            x509.NameAttribute(NameOID.COMMON_NAME, params["common_name"]),
        ]
    )
    signer = issuer.key if issuer else key
    now = datetime.now(UTC)
    # A leaf that outlives its authority looks valid but is refused.
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
        known = {"server": ExtendedKeyUsageOID.SERVER_AUTH, "client": ExtendedKeyUsageOID.CLIENT_AUTH}
        usages = [known[usage] for usage in params["usages"]]
        names = [alternative(name) for name in params.get("names") or [params["common_name"]]]
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=False)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Pair(key, builder.sign(signer, hashes.SHA256()))


def countersign(renewed: Pair, old: Pair) -> str:
    """An authority's certificate signed by the old one: a client that trusts the old one accepts the new one.

    It may be presented for the whole life of the new one: once the old one expires, it has no effect.
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


def key_of(text: bytes) -> ec.EllipticCurvePrivateKey | None:
    """Parse a private key; None for a kind that Ragdock does not make."""
    key = load_pem_private_key(text, password=None)
    return key if isinstance(key, ec.EllipticCurvePrivateKey) else None


def certificate_of(text: bytes) -> x509.Certificate:
    """The first certificate of a PEM text."""
    return x509.load_pem_x509_certificate(text)


def der_of(text: bytes) -> bytes:
    """The first certificate of a PEM text in DER, as TLS sends it."""
    return certificate_of(text).public_bytes(Encoding.DER)


def first_end(text: bytes) -> datetime:
    """The earliest expiry of the certificates in a PEM text."""
    return min(one.not_valid_after_utc for one in x509.load_pem_x509_certificates(text))
