"""Render a release with Ansible's own engine and made-up secrets."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
SERVICES = ["edge", "landing", "models", "ollama", "opensearch", "rag-app", "rag-worker"]
PASSWORDS = [*(f"opensearch_{user}_password" for user in ("app", "worker", "backup", "health")),
             "app_password", "api_token", "session_key"]  # fmt: skip
Rendered = dict[str, Any]
Render = Callable[..., Rendered]


def certificate_of(name: str) -> str:
    """A self-signed certificate with this common name."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ragdock"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM).decode()


def secrets_made_up() -> dict[str, str]:
    """A value for each secret, which must be in no rendered file."""
    values = {name: f"secret-value-of-{name}" for name in PASSWORDS}
    for name in ("opensearch_ca", "opensearch_node", "opensearch_admin", "edge_ca"):
        values |= {f"{name}_cert": certificate_of(name), f"{name}_key": f"secret-value-of-{name}_key"}
    return values


def rendered(here: Path, secret_values: dict[str, str], **settings: Any) -> Rendered:
    """Render a release with some settings."""
    variables = {
        "ragdock_name": "demo",
        "aws_host_public_ip": "203.0.113.5",
        **settings,
        "stack_images_built": {name: {"ref": f"registry/{name}@sha256:0"} for name in (*SERVICES, "remote")},
        "stack_secret_values": secret_values,
        "out": str(here / "out.json"),
    }
    (here / "vars.json").write_text(json.dumps(variables))
    done = subprocess.run(
        [Path(sys.executable).parent / "ansible-playbook", "-i", "localhost,", HERE / "render.yml",
         "-e", f"@{here / 'vars.json'}", "-e", f"ansible_python_interpreter={sys.executable}"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    found: Rendered = json.loads((here / "out.json").read_text())
    return found
