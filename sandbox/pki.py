"""The registry's certificate authority and certificate."""

from __future__ import annotations

import datetime as dt
from ipaddress import IPv4Address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LIFE = dt.timedelta(days=800)
SPARE = dt.timedelta(days=30)


def ensure(folder: Path, name: str, address: IPv4Address, now: dt.datetime) -> bool:
    """Make sure that an authority and a certificate for that name exist; return True if they were made."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    if _serves(folder, name, address, now):
        return False
    ca_key, ca = _authority(now)
    leaf_key, leaf = _leaf(ca_key, ca, name, address, now)
    for file, content in (
        ("ca.crt", ca.public_bytes(serialization.Encoding.PEM)),
        ("tls.crt", leaf.public_bytes(serialization.Encoding.PEM)),
        ("tls.key", _pem(leaf_key)),
    ):
        path = folder / file
        path.touch(mode=0o600)
        path.write_bytes(content)
    return True


def _serves(folder: Path, name: str, address: IPv4Address, now: dt.datetime) -> bool:
    """Return whether the existing certificate is for that name and still valid."""
    try:
        leaf = x509.load_pem_x509_certificate((folder / "tls.crt").read_bytes())
        ca = x509.load_pem_x509_certificate((folder / "ca.crt").read_bytes())
        leaf.verify_directly_issued_by(ca)
        key = serialization.load_pem_private_key((folder / "tls.key").read_bytes(), None)
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (OSError, ValueError, TypeError, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == leaf.public_key()
        and names.get_values_for_type(x509.DNSName) == [name]
        and names.get_values_for_type(x509.IPAddress) == [address]
        and leaf.not_valid_after_utc - SPARE > now
    )


def _authority(now: dt.datetime) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ragdock sandbox registry CA")])
    made = (
        _builder(subject, subject, key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(sign_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, made


def _leaf(
    ca_key: ec.EllipticCurvePrivateKey,
    ca: x509.Certificate,
    name: str,
    address: IPv4Address,
    now: dt.datetime,
) -> tuple[ec.EllipticCurvePrivateKey, x509.Certificate]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Ragdock sandbox registry")])
    made = (
        _builder(subject, ca.subject, key, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(sign_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(address)]), critical=False
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False
        )
        .sign(ca_key, hashes.SHA256())
    )
    return key, made


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: dt.datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # The clocks of hosts may be slightly behind.
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + LIFE)
    )


def _usage(*, sign_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not sign_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=sign_certificates,
        crl_sign=sign_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
