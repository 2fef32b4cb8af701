"""Builds the files that a host has at its first boot: cloud-init's seed and hardware files."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import tarfile

from sandbox.cloud import Instance
from sandbox.ebs import Disk
from sandbox.metadata import hostname
from sandbox.settings import Sandbox

HARDWARE = "/usr/lib/sandbox-hardware"
UNIT = "sandbox-hardware.service"

# The same file as in Debian's EC2 image, plus the location of the seed. Docker configures the
# network, as the hypervisor does on EC2.
CLOUD_CONFIG = """\
datasource_list: [NoCloud]
network: {config: disabled}
manage_etc_hosts: false
apt: {preserve_sources_list: true}
system_info:
  default_user:
    name: admin
    lock_passwd: true
    gecos: Debian
    groups: [adm, sudo]
    sudo: ["ALL=(ALL) NOPASSWD:ALL"]
    shell: /bin/bash
"""


def hardware(instance: Instance, disks: list[Disk], router: str, sandbox: Sandbox) -> str:
    """Return the list of disks and routes that `attach.sh` in the host applies."""
    lines = [
        f"route 169.254.169.254/32 {router}",
        f"route {sandbox.network} {router}",
    ]
    lines += [
        f"disk {disk.name} {disk.major} {disk.minor} {disk.volume_id.replace('-', '')}" for disk in disks
    ]
    return "\n".join(lines) + "\n"


def archive(instance: Instance, sandbox: Sandbox, public_key: str, user_data: str, ca: bytes) -> bytes:
    """Return a tar of the files that are copied into a new host."""
    meta = {
        "instance-id": instance.id,
        "local-hostname": hostname(instance),
        "public-keys": [public_key] if public_key else [],
    }
    seed = "var/lib/cloud/seed/nocloud"
    unit = (sandbox.checkout / "sandbox" / "host" / UNIT).read_bytes()
    files = {
        f"{seed}/meta-data": json.dumps(meta).encode(),
        f"{seed}/user-data": base64.b64decode(user_data) or b"#cloud-config\n{}\n",
        "etc/machine-id": machine_id(instance.id),
        "etc/cloud/cloud.cfg.d/90_sandbox.cfg": CLOUD_CONFIG.encode(),
        f"etc/systemd/system/{UNIT}": unit,
        f"etc/docker/certs.d/{sandbox.registry}/ca.crt": ca,
    }
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for folder in folders(files):
            entry = tarfile.TarInfo(folder)
            entry.type, entry.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(entry)
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            entry.mode = 0o600 if name.startswith(seed) else 0o644
            tar.addfile(entry, io.BytesIO(content))
        link = tarfile.TarInfo(f"etc/systemd/system/sysinit.target.wants/{UNIT}")
        link.type, link.linkname = tarfile.SYMTYPE, f"../{UNIT}"
        tar.addfile(link)
    return buffer.getvalue()


def machine_id(instance_id: str) -> bytes:
    """Return the machine id.

    Without one, systemd treats the boot as the first of an unknown system and enables its
    presets, including network services that would wait for a network to configure.
    """
    return hashlib.sha256(instance_id.encode()).hexdigest()[:32].encode() + b"\n"


def folders(files: dict[str, bytes]) -> list[str]:
    """Return all parent folders of the files, outermost first."""
    found = {"etc/systemd/system/sysinit.target.wants"}
    for name in files:
        parts = name.split("/")[:-1]
        found |= {"/".join(parts[: depth + 1]) for depth in range(len(parts))}
    return sorted(found)
