"""Filters with which the stack's configuration is rendered."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import string
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from ansible.errors import AnsibleFilterError

# Optional: tools that only list the filters do not need these.
with suppress(ImportError):
    import bcrypt
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

# A higher cost protects short passwords; the ones here are long and random.
BCRYPT_COST = 10
PEM = "-----BEGIN"
_STANDARD = string.ascii_uppercase + string.ascii_lowercase + string.digits + "+/"
_BCRYPT = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits


def stack_bcrypt(password: str, user: str) -> str:
    """Bcrypt hash of a password; the salt comes from both, so that rendering again gives the same text."""
    seed = hashlib.sha256(f"{user}\0{password}".encode()).digest()[:16]
    salt = base64.b64encode(seed).decode().rstrip("=").translate(str.maketrans(_STANDARD, _BCRYPT))
    return (
        bcrypt.hashpw(password.encode(), f"$2b${BCRYPT_COST:02d}${salt}".encode())
        .decode()
        .replace("$2b$", "$2y$", 1)
    )


def stack_subject(certificate: str) -> str:
    """Subject of a PEM certificate, in the form in which OpenSearch compares it (RFC 4514)."""
    return x509.load_pem_x509_certificate(certificate.encode()).subject.rfc4514_string()


def stack_fingerprint(certificate: str) -> str:
    """A short name of a certificate, different for each one."""
    return x509.load_pem_x509_certificate(certificate.encode()).fingerprint(hashes.SHA256()).hex()[:12]


def stack_issuer(certificate: str, cross: str) -> str:
    """The certificate that an authority presents: CROSS, if it is for the same key, else its own."""
    if not cross:
        return certificate
    own, other = (x509.load_pem_x509_certificate(one.encode()) for one in (certificate, cross))
    return cross if own.public_key() == other.public_key() else certificate


# Characters that an env file, Compose and a shell all read literally.
_PLAIN = re.compile(r"[A-Za-z0-9._:/@+-]*\Z")
# Within single quotes they read everything literally except these.
_NEVER_QUOTED = re.compile(r"[\x00-\x1f\x7f'\\]")


def stack_env(value: Any, name: str) -> str:
    """Format a value for an env file: one line that is read back unchanged."""
    text = str(value)
    if _NEVER_QUOTED.search(text):
        raise AnsibleFilterError(
            f"{name} cannot be written to .env: {text!r} contains a line break, another control character, "
            "a quote or a backslash. Correct the setting that it comes from (docs/operate/settings.md)."
        )
    return text if _PLAIN.match(text) else f"'{text}'"


def stack_environment(
    schema: dict[str, Any], settings: dict[str, Any], beside: dict[str, dict[str, Any]]
) -> dict[str, dict[str, str]]:
    """Service -> its variables: the settings that the schema gives it, and other values it needs.

    A setting's variable is its name without the prefix, in capitals.
    """
    found: dict[str, dict[str, str]] = {
        service: {name: str(value) for name, value in variables.items()}
        for service, variables in beside.items()
    }
    for name, one in schema["properties"].items():
        for service in one.get("x-services", ()):
            text = str(settings[name])
            found[service][name.removeprefix("ragdock_").upper()] = (
                text.lower() if one["type"] == "boolean" else text
            )
    return found


def stack_model(models: list[dict[str, Any]], use: str, instead: str = "") -> str:
    """Name of the first model with a use, or its replacement."""
    return next((str(model["name"]) for model in models if use in model["use"]), instead)


def stack_with_both(values: dict[str, str]) -> dict[str, str]:
    """The secrets that are being rotated, as services read them: the old and the new value, one per line.

    Keys and certificates are left out: the lookup that reads the secrets has settled them (role aws_secrets).
    """
    return {
        name: f"{values[name]}\n{new}"
        for name, new in ((key.removesuffix("_next"), values[key]) for key in values if key.endswith("_next"))
        if name in values and values[name] != new and not new.startswith(PEM)
    }


def stack_config_hash(
    service: str, secrets: list[dict[str, Any]], values: dict[str, str], config: dict[str, str]
) -> str:
    """Hash of what a service reads at start: its secrets and its configuration. A new hash restarts it.

    Left out are the edge's configuration, which is reloaded, live secrets, which are read at run time, and
    secrets without a value here, which are not read at start.
    """
    mine = {
        one["path"]: values[one["from"]]
        for one in secrets
        if one["path"].startswith(f"{service}/") and one["from"] in values and not one.get("live")
    }
    if service != "edge":
        mine |= {path: text for path, text in config.items() if path.startswith(f"{service}/")}
    return hashlib.sha256(json.dumps(mine, sort_keys=True).encode()).hexdigest()[:16]


def stack_with_content(secrets: list[dict[str, Any]], values: dict[str, str]) -> list[dict[str, Any]]:
    """The secret files as release_stage writes them.

    In base64, so that each is one line: Ansible hides a value from the host's journal by searching for it
    there, where a text of several lines is escaped and not found.
    """
    return [
        {
            "path": one["path"],
            "uid": one["uid"],
            "content_base64": base64.b64encode(values[one["from"]].encode()).decode(),
        }
        for one in secrets
    ]


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> function."""
        return {
            "stack_bcrypt": stack_bcrypt,
            "stack_config_hash": stack_config_hash,
            "stack_env": stack_env,
            "stack_environment": stack_environment,
            "stack_fingerprint": stack_fingerprint,
            "stack_issuer": stack_issuer,
            "stack_model": stack_model,
            "stack_subject": stack_subject,
            "stack_with_both": stack_with_both,
            "stack_with_content": stack_with_content,
        }
