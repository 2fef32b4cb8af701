"""Whom this machine trusts, and what it must know to reach the registry by its AWS name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from sandbox.settings import Sandbox

MARK = "# ragdock sandbox"
HOSTS = Path("/etc/hosts")
CERTIFICATES = Path("/etc/docker/certs.d")
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")


def authorities(bundle: Path = BUNDLE) -> Path | None:
    """The authorities this machine trusts, for programs that bring a list of their own.

    On a network with its own authority that list is not enough, whether or not a shell says so by
    SSL_CERT_FILE.
    """
    named = os.environ.get("SSL_CERT_FILE", "")
    return next((path for path in (Path(named) if named else bundle, bundle) if path.is_file()), None)


def without_lines(text: str) -> str:
    """The hosts file without any line of ours."""
    kept = [line for line in text.splitlines() if not line.endswith(MARK)]
    return "".join(f"{line}\n" for line in kept)


def name(sandbox: Sandbox, domains: Mapping[str, str], hosts: Path = HOSTS) -> None:
    """Let this machine find the registry, and each domain of the sandbox at its address."""
    before = hosts.read_text()
    names = {sandbox.registry: str(sandbox.registry_address), **domains}
    text = without_lines(before) + "".join(f"{names[one]} {one} {MARK}\n" for one in names)
    if before != text:
        # Written in place: in a container the file is a mount and cannot be replaced.
        hosts.write_text(text)


def establish(sandbox: Sandbox, ca: bytes, hosts: Path = HOSTS, certificates: Path = CERTIFICATES) -> None:
    """Let this machine's Docker Engine find the registry and believe it."""
    name(sandbox, {}, hosts)
    folder = certificates / sandbox.registry
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(ca)
    (folder / ".ragdock-sandbox").write_text(f"{sandbox.name}\n")


def withdraw(sandbox: Sandbox, hosts: Path = HOSTS, certificates: Path = CERTIFICATES) -> list[str]:
    """Take both back; returns what was removed."""
    removed = []
    before = hosts.read_text()
    after = without_lines(before)
    if before != after:
        hosts.write_text(after)
        removed.append(f"lines in {hosts}")
    folder = certificates / sandbox.registry
    # Only what we made: someone may have put a certificate there for the real ECR.
    if (folder / ".ragdock-sandbox").exists():
        for file in ("ca.crt", ".ragdock-sandbox"):
            (folder / file).unlink(missing_ok=True)
        folder.rmdir()
        removed.append(str(folder))
    return removed


def traces(sandbox: Sandbox, hosts: Path = HOSTS, certificates: Path = CERTIFICATES) -> list[str]:
    """What of ours this machine still holds."""
    found = [f"lines in {hosts}"] if MARK in hosts.read_text() else []
    folder = certificates / sandbox.registry
    if (folder / ".ragdock-sandbox").exists():
        found.append(str(folder))
    return found
