"""Makes this machine resolve and trust the registry's AWS name; finds the authorities that it trusts."""

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
    """Return the authorities that this machine trusts, for programs with a built-in list.

    On a network with its own authority the built-in list is not enough, whether or not the shell sets
    SSL_CERT_FILE.
    """
    named = os.environ.get("SSL_CERT_FILE", "")
    return next((path for path in (Path(named) if named else bundle, bundle) if path.is_file()), None)


def without_lines(text: str) -> str:
    """Return the text of the hosts file without the sandbox's lines."""
    kept = [line for line in text.splitlines() if not line.endswith(MARK)]
    return "".join(f"{line}\n" for line in kept)


def name(sandbox: Sandbox, domains: Mapping[str, str], hosts: Path = HOSTS) -> None:
    """Add the registry and the sandbox's domains to this machine's hosts file."""
    before = hosts.read_text()
    names = {sandbox.registry: str(sandbox.registry_address), **domains}
    text = without_lines(before) + "".join(f"{names[one]} {one} {MARK}\n" for one in names)
    if before != text:
        # Write in place: in a container the file is a mount and cannot be replaced.
        hosts.write_text(text)


def establish(sandbox: Sandbox, ca: bytes, hosts: Path = HOSTS, certificates: Path = CERTIFICATES) -> None:
    """Let this machine's Docker Engine find and trust the registry."""
    name(sandbox, {}, hosts)
    folder = certificates / sandbox.registry
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.crt").write_bytes(ca)
    (folder / ".ragdock-sandbox").write_text(f"{sandbox.name}\n")


def withdraw(sandbox: Sandbox, hosts: Path = HOSTS, certificates: Path = CERTIFICATES) -> list[str]:
    """Undo `name` and `establish`; return what was removed."""
    removed = []
    before = hosts.read_text()
    after = without_lines(before)
    if before != after:
        hosts.write_text(after)
        removed.append(f"lines in {hosts}")
    folder = certificates / sandbox.registry
    # Remove only what the sandbox created: a user may have put a certificate there for the real ECR.
    if (folder / ".ragdock-sandbox").exists():
        for file in ("ca.crt", ".ragdock-sandbox"):
            (folder / file).unlink(missing_ok=True)
        folder.rmdir()
        removed.append(str(folder))
    return removed


def traces(sandbox: Sandbox, hosts: Path = HOSTS, certificates: Path = CERTIFICATES) -> list[str]:
    """Return what the sandbox has left on this machine."""
    found = [f"lines in {hosts}"] if MARK in hosts.read_text() else []
    folder = certificates / sandbox.registry
    if (folder / ".ragdock-sandbox").exists():
        found.append(str(folder))
    return found
