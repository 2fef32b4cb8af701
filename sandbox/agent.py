"""Builds a stand-in for the Session Manager agent's package, signed with a key of the sandbox.

The key is generated for the package and its private half is deleted after signing; hosts get its public half
in place of Amazon's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import yaml

from sandbox.errors import SandboxError
from sandbox.settings import Sandbox

PACKAGE, SIGNATURE, KEY, MADE = "amazon-ssm-agent.deb", "amazon-ssm-agent.deb.sig", "key.asc", "made"
UNIT = "amazon-ssm-agent.service"
ROLE = Path("roles/aws_host/defaults/main.yml")
SIGNER = "Ragdock sandbox <sandbox@localhost>"
CONTROL = """\
Package: amazon-ssm-agent
Version: {version}
Architecture: all
Maintainer: {signer}
Depends: python3
Description: Stand-in of Amazon's agent, for hosts of the sandbox
"""


def folder(sandbox: Sandbox) -> Path:
    """Return the folder of the package, its signature and the public key."""
    return sandbox.state / "agent"


def version(sandbox: Sandbox) -> str:
    """The version that a deployment installs."""
    return str(yaml.safe_load((sandbox.checkout / ROLE).read_text())["aws_host_agent_version"])


def ensure(sandbox: Sandbox) -> None:
    """Build the package if it is missing or differs from this checkout."""
    place, wanted = folder(sandbox), _sources(sandbox)
    # The record of what was built is written last, so an interrupted build is repeated.
    described = json.dumps({name: content.decode() for name, content in wanted.items()}, sort_keys=True)
    if (place / MADE).exists() and (place / MADE).read_text() == described:
        return
    place.mkdir(parents=True, exist_ok=True)
    (place / MADE).unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="ragdock-agent-") as scratch:
        try:
            _build(Path(scratch), wanted, place / PACKAGE)
            _sign(Path(scratch), place)
        except (OSError, subprocess.CalledProcessError) as error:
            raise SandboxError(
                f"The package of the Session Manager agent could not be made: {error}.",
                f"It needs dpkg-deb, gpg and gpg-agent. {getattr(error, 'stderr', '') or ''}",
                "Run: sandbox/bootstrap.sh",
            ) from error
    (place / MADE).write_text(described)


def _sources(sandbox: Sandbox) -> dict[str, bytes]:
    """Return the package's files: path -> content."""
    code = sandbox.checkout / "sandbox"
    library = "usr/lib/amazon-ssm-agent/sandbox"
    chosen = version(sandbox)
    return {
        **{
            f"{library}/{name}": (code / name).read_bytes()
            for name in ("pump.py", "session/__init__.py", "session/agent.py", "session/signed.py")
        },
        f"usr/lib/systemd/system/{UNIT}": (code / "session" / UNIT).read_bytes(),
        "etc/amazon/ssm/sandbox.json": json.dumps({"endpoint": sandbox.endpoint, "version": chosen}).encode(),
        "DEBIAN/control": CONTROL.format(version=chosen, signer=SIGNER).encode(),
    }


def _build(scratch: Path, files: dict[str, bytes], target: Path) -> None:
    root = scratch / "root"
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        path.chmod(0o644)
    for path in (root, *(one for one in root.rglob("*") if one.is_dir())):
        path.chmod(0o755)
    _run("dpkg-deb", "--root-owner-group", "--build", str(root), str(target))


def _sign(scratch: Path, place: Path) -> None:
    home = scratch / "gnupg"
    home.mkdir(mode=0o700)
    gpg = ("gpg", "--homedir", str(home), "--batch", "--yes", "--passphrase", "")
    try:
        _run(*gpg, "--quick-generate-key", SIGNER, "rsa2048", "sign", "never")
        _run(*gpg, "--detach-sign", "--output", str(place / SIGNATURE), str(place / PACKAGE))
        _run(*gpg, "--armor", "--output", str(place / KEY), "--export")
    finally:
        # gpg leaves an agent process running that keeps the key in memory.
        if shutil.which("gpgconf"):
            subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def _run(*words: str) -> None:
    subprocess.run(
        words, env=os.environ | {"LC_ALL": "C"}, capture_output=True, text=True, check=True, timeout=120
    )
