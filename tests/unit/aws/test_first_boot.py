"""What a new host runs as root before anyone has logged in is signed by whom it comes from."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.role_files import ROLES

ROLE = ROLES / "aws_host"
INSTALLER = ROLE / "files/install-agent.sh"
# The key of AWS's page "Verifying the signature of SSM Agent", as aws/eks-hybrid carries it too.
FINGERPRINT = "4855A9E6833216D6A77D8FE451A8E050D0052E5D"
# A key of one year that signed "a package" within it, and has ended since.
KEYRING = base64.b64decode(
    "mDMEZ3SFgBYJKwYBBAHaRw8BAQdAWLSyj9TZ5SEw2UcOdfg1suFceujX88qCt/IoAUtp1bK0BHRlc3SIlgQTFggAPhYhBPxn6DngsYg6"
    "nJAXVHxveOFOQfusBQJndIWAAhsDBQkB4TOABQsJCAcCBhUKCQgLAgQWAgMBAh4BAheAAAoJEHxveOFOQfusjukBAP/lmxA5TNRXjuB2"
    "GYJl+sYZQtvlcFqwczJBqmVjpkdWAP46fAYchpHPplDBGBEol9pnmN78UE8C1/NbGe3TMsQeBQ=="
)
PACKAGE = b"a package\n"
SIGNATURE = base64.b64decode(
    "iHUEABYIAB0WIQT8Z+g54LGIOpyQF1R8b3jhTkH7rAUCaDuYAAAKCRB8b3jhTkH7rLOIAP9igwQcfdlBWugiuWsmFKR8vRFauAjGtqJz"
    "Rqf8JQANtwEA91pvyCfSSRflavCqJ3rPc4rIsvf/X1P23mBf2JSewwk="
)


@pytest.fixture(scope="module")
def first_boot(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The user data of a host that is reached through Session Manager, as Ansible renders it."""
    folder = tmp_path_factory.mktemp("boot")
    (folder / "key.pub").write_text("ssh-ed25519 AAAA")
    values = {
        "ansible_python_interpreter": sys.executable,
        "_aws_host_name": "ragdock-demo",
        "_aws_host_key_file": str(folder / "key"),
        "ragdock_ssh_user": "admin",
        "ragdock_region": "eu-central-1",
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text()),
    }
    wanted = {"src": str(ROLE / "templates/cloud-config.yml.j2"), "dest": str(folder / "user-data")}
    subprocess.run(
        [
            Path(sys.executable).with_name("ansible"), "localhost", "-i", "localhost,", "-c", "local",
            "-m", "ansible.builtin.template", "-a", json.dumps(wanted), "-e", json.dumps(values),
        ],
        cwd=ROLE, stdin=subprocess.DEVNULL, capture_output=True, check=True,
    )  # fmt: skip
    found = yaml.safe_load((folder / "user-data").read_text())
    assert isinstance(found, dict)
    return found


def test_the_key_is_the_one_that_amazon_publishes(first_boot: dict[str, Any]) -> None:
    """Its fingerprint, as OpenPGP defines it, of what the host gets."""
    (key,) = [one for one in first_boot["write_files"] if one["path"] == first_boot["runcmd"][0][1]]
    content = base64.b64decode(key["content"], validate=True)
    assert content[0] == 0x99, "a public key with a length of two bytes comes first"
    packet = content[: 3 + int.from_bytes(content[1:3], "big")]
    assert hashlib.sha1(packet, usedforsecurity=False).hexdigest().upper() == FINGERPRINT


def test_the_agent_is_of_a_fixed_version_and_installed_by_the_script(first_boot: dict[str, Any]) -> None:
    """`latest` is whatever is there that day, signed by a key that is not here."""
    (command,) = first_boot["runcmd"]
    (script,) = [one for one in first_boot["write_files"] if one["path"] == command[0]]
    assert base64.b64decode(script["content"]) == INSTALLER.read_bytes()
    assert script["permissions"] == "0755"
    assert command[2].startswith("https://s3.eu-central-1.amazonaws.com/amazon-ssm-eu-central-1/3.")
    assert {"curl", "gpgv"} <= set(first_boot["packages"])


def install(folder: Path, package: bytes) -> tuple[subprocess.CompletedProcess[str], str]:
    """Run the script with programs that only print their arguments."""
    programs = folder / "bin"
    programs.mkdir()
    for name in ("dpkg", "systemctl"):
        (programs / name).write_text(f'#!/bin/sh\necho "{name} $*" >> {folder}/done\n')
        (programs / name).chmod(0o755)
    (folder / "keyring.gpg").write_bytes(KEYRING)
    (folder / "amazon-ssm-agent.deb").write_bytes(package)
    (folder / "amazon-ssm-agent.deb.sig").write_bytes(SIGNATURE)
    done = subprocess.run(
        ["sh", str(INSTALLER), str(folder / "keyring.gpg"), folder.as_uri()],
        env=os.environ | {"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    told = folder / "done"
    return done, told.read_text() if told.exists() else ""


needs_gpgv = pytest.mark.skipif(
    not (shutil.which("gpgv") and shutil.which("curl")), reason="needs gpgv and curl"
)


@needs_gpgv
def test_a_signed_package_is_installed_though_its_key_has_ended(tmp_path: Path) -> None:
    """The version is fixed, so its signature stays as old as it is."""
    done, told = install(tmp_path, PACKAGE)
    assert done.returncode == 0, done.stderr
    assert told.splitlines() == [
        "dpkg --install amazon-ssm-agent.deb",
        "systemctl enable --now amazon-ssm-agent",
    ]


@needs_gpgv
def test_a_package_that_was_changed_is_not_installed(tmp_path: Path) -> None:
    """Nothing of it runs, and the console says why no one reaches the host."""
    done, told = install(tmp_path, PACKAGE + b"!")
    assert done.returncode == 1
    assert "It is not installed" in done.stderr
    assert told == ""
