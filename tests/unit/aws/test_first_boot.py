"""What a new host runs as root before anyone has logged in is signed by its publisher."""

from __future__ import annotations

import base64
import hashlib
import json
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
# The key on AWS's page "Verifying the signature of SSM Agent"; aws/eks-hybrid has it too.
LIMIT = 16384
FINGERPRINT = "4855A9E6833216D6A77D8FE451A8E050D0052E5D"
# A key that was valid for one year, signed "a package" in that year, and has since expired.
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


def rendered(folder: Path, **changes: Any) -> str:
    """The user data of a host, as Ansible renders it."""
    (folder / "key.pub").write_text("ssh-ed25519 AAAA")
    of_role = yaml.safe_load((ROLE / "vars/main.yml").read_text())
    values = {
        "ansible_python_interpreter": sys.executable,
        "_aws_host_name": "ragdock-demo",
        "aws_host_key_file": str(folder / "key"),
        "_aws_host_files": str(ROLE / "files"),
        "ragdock_ssh_user": "admin",
        "ragdock_region": "eu-central-1",
        "ragdock_aws_endpoint_url": "",
        **{name: of_role[name] for name in ("_aws_host_public_key", "_aws_host_s3")},
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text()),
        **changes,
    }
    wanted = {"src": str(ROLE / "templates/cloud-config.yml.j2"), "dest": str(folder / "user-data")}
    subprocess.run(
        [
            Path(sys.executable).with_name("ansible"), "localhost", "-i", "localhost,", "-c", "local",
            "-m", "ansible.builtin.template", "-a", json.dumps(wanted), "-e", json.dumps(values),
        ],
        cwd=ROLE, stdin=subprocess.DEVNULL, capture_output=True, check=True,
    )  # fmt: skip
    return (folder / "user-data").read_text()


@pytest.fixture(scope="module")
def first_boot(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The user data as cloud-init parses it."""
    found = yaml.safe_load(rendered(tmp_path_factory.mktemp("boot")))
    assert isinstance(found, dict)
    return found


def test_the_user_data_is_within_what_ec2_takes(tmp_path: Path) -> None:
    """At most 16,384 bytes before encoding, with the longest name and region."""
    long = {"_aws_host_name": f"ragdock-{'x' * 20}", "ragdock_region": "ap-northeast-1"}
    assert len(rendered(tmp_path, **long).encode()) < LIMIT


def test_with_an_address_of_the_api_the_agent_is_fetched_from_there(tmp_path: Path) -> None:
    """It is checked with the key that the inventory names: the sandbox boots what production boots."""
    (tmp_path / "key.asc").write_text("-----BEGIN-----\n\nbWluZQ==\n=abcd\n-----END-----\n")
    text = rendered(
        tmp_path,
        ragdock_aws_endpoint_url="http://10.99.0.2:5000",
        aws_host_agent_key=str(tmp_path / "key.asc"),
    )
    found = yaml.safe_load(text)
    assert found["runcmd"][0][2].startswith("http://10.99.0.2:5000/amazon-ssm-eu-central-1/3.")
    (key,) = [one for one in found["write_files"] if one["path"] == found["runcmd"][0][1]]
    assert base64.b64decode(key["content"]) == b"mine"


def test_the_key_is_the_one_that_amazon_publishes(first_boot: dict[str, Any]) -> None:
    """Computes the OpenPGP fingerprint of the key that the host gets."""
    (key,) = [one for one in first_boot["write_files"] if one["path"] == first_boot["runcmd"][0][1]]
    content = base64.b64decode(key["content"], validate=True)
    assert content[0] == 0x99, "a public key with a length of two bytes comes first"
    packet = content[: 3 + int.from_bytes(content[1:3], "big")]
    assert hashlib.sha1(packet, usedforsecurity=False).hexdigest().upper() == FINGERPRINT


def test_the_agent_is_of_a_fixed_version_and_installed_by_the_script(first_boot: dict[str, Any]) -> None:
    """`latest` is whatever is published that day, perhaps signed by a key that is not here."""
    (command,) = first_boot["runcmd"]
    (script,) = [one for one in first_boot["write_files"] if one["path"] == command[0]]
    assert base64.b64decode(script["content"]) == INSTALLER.read_bytes()
    assert script["permissions"] == "0755"
    assert command[2].startswith("https://s3.eu-central-1.amazonaws.com/amazon-ssm-eu-central-1/3.")
    assert "packages" not in first_boot, "cloud-init installs them once, when there may be no way out yet"


# Programs that the installer uses, except those that the tests replace.
TOOLS = ("sh", "cat", "cut", "curl", "date", "env", "mktemp")
APT = """#!/bin/sh
echo "apt-get $*" >> {folder}/done
case "$*" in *" update "*)
  echo x >> {folder}/updates
  [ "$(cat {folder}/updates | wc -l)" -gt {failures} ] || exit 100
esac
case "$*" in *gpgv) [ -z "{gpgv}" ] || ln -s "{gpgv}" {folder}/bin/gpgv; esac
"""


def install(
    folder: Path,
    package: bytes = PACKAGE,
    *,
    keyring: bytes = KEYRING,
    failures: int = 0,
    gpgv: str | None = None,
    seconds: int = 30,
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script on a host without gpgv, where updates of the package lists fail at first."""
    programs = folder / "bin"
    programs.mkdir()
    for name in (*TOOLS, "wc", "ln"):
        (programs / name).symlink_to(str(shutil.which(name)))
    gpgv = str(shutil.which("gpgv")) if gpgv is None else gpgv
    stand_ins = {
        "apt-get": APT.format(folder=folder, failures=failures, gpgv=gpgv),
        "systemctl": f'#!/bin/sh\necho "systemctl $*" >> {folder}/done\n',
        "sleep": "#!/bin/sh\n",
    }
    for name, text in stand_ins.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    (folder / "keyring.gpg").write_bytes(keyring)
    (folder / "amazon-ssm-agent.deb").write_bytes(package)
    (folder / "amazon-ssm-agent.deb.sig").write_bytes(SIGNATURE)
    done = subprocess.run(
        ["sh", str(INSTALLER), str(folder / "keyring.gpg"), folder.as_uri(), str(seconds)],
        env={"PATH": str(programs), "TMPDIR": str(folder), "LC_ALL": "C"},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    record = folder / "done"
    words = [line.split() for line in (record.read_text() if record.exists() else "").splitlines()]
    # Without options, except those after the verb.
    return done, [
        " ".join(one for one in line if "::" not in one and one not in ("-o", "--quiet=2")) for line in words
    ]


needs_gpgv = pytest.mark.skipif(
    not (shutil.which("gpgv") and shutil.which("curl")), reason="needs gpgv and curl"
)
UPDATE = "apt-get update --error-on=any"
PACKAGES = "apt-get install --yes --no-install-recommends curl gpgv"
INSTALLED = [
    "apt-get install --yes ./amazon-ssm-agent.deb",
    "systemctl enable --now amazon-ssm-agent",
]


@needs_gpgv
def test_a_signed_package_is_installed_though_its_key_has_ended(tmp_path: Path) -> None:
    """The version is fixed, so its signature stays valid although the key has expired."""
    done, commands = install(tmp_path)
    assert done.returncode == 0, done.stderr
    assert commands == [UPDATE, PACKAGES, *INSTALLED]


@needs_gpgv
def test_a_way_out_that_comes_late_is_waited_for(tmp_path: Path) -> None:
    """A host has no way out until its address is associated, and apt reports an empty update as success."""
    done, commands = install(tmp_path, failures=3)
    assert done.returncode == 0, done.stderr
    assert commands == [*[UPDATE] * 4, PACKAGES, *INSTALLED]


def test_a_gpgv_that_never_came_is_named_as_such(tmp_path: Path) -> None:
    """Nothing was checked, so the message must not blame Amazon's key."""
    done, commands = install(tmp_path, failures=10**6, seconds=1)
    assert done.returncode == 1
    assert "curl or gpgv, which checks the agent's signature, is missing" in done.stderr
    assert "did not sign" not in done.stderr
    assert set(commands) == {UPDATE}


@needs_gpgv
def test_a_package_that_was_changed_is_not_installed(tmp_path: Path) -> None:
    """No part of it runs, and the console shows why nobody can reach the host."""
    done, commands = install(tmp_path, PACKAGE + b"!")
    assert done.returncode == 1
    assert "holds a package that Amazon's key did not sign. The agent is not installed" in done.stderr
    assert commands == [UPDATE, PACKAGES]


@needs_gpgv
def test_a_package_of_another_key_is_not_installed(tmp_path: Path) -> None:
    """For example when somebody signs with a key of their own."""
    done, _ = install(tmp_path, keyring=amazons_key())
    assert done.returncode == 1
    assert "Amazon's key did not sign" in done.stderr


@needs_gpgv
def test_a_key_that_cannot_be_read_is_not_said_to_have_refused(tmp_path: Path) -> None:
    """The fault is then on this host, not in the package."""
    done, commands = install(tmp_path, gpgv=str(shutil.which("false")))
    assert done.returncode == 1
    assert "gpgv could not check the signature" in done.stderr
    assert "did not sign" not in done.stderr
    assert commands == [UPDATE, PACKAGES]


def amazons_key() -> bytes:
    """The key in the role, without its ASCII armor."""
    lines = (ROLE / "files/amazon-ssm-agent.asc").read_text().splitlines()
    return base64.b64decode("".join(line for line in lines if line and line[0] not in "-="))
