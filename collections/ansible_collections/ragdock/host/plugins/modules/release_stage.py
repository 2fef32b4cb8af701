#!/usr/bin/python
"""Ansible module: writes a release beside the one that serves and pulls its images."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: release_stage
short_description: Writes a release beside the one that serves and pulls its images
description:
  - Makes the data directories and the secret files, and repairs drift in them.
  - Compares the rendered files with the current release. Equal content makes no new release.
  - A new release is checked (memory, disk, compose) and written as releases/<id>.tmp. When its images are
    here and Caddy accepts the edge's configuration, it becomes releases/<id>.
  - Pulls the images that this host does not have, also those of the current release, which a new host with an
    old data volume lacks.
  - Nothing that runs is touched.
options:
  files: {description: Path below the release -> text., type: dict, required: true}
  images: {description: "Service -> {ref, tag, size}.", type: dict, required: true}
  record: {description: What else release.json says., type: dict, default: {}}
  directories:
    description: Directories below root.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Below root., type: str, required: true}
      uid: {description: Owner and group., type: int, required: true}
      mode: {description: Mode., type: str, required: true}
  secrets:
    description: Files below root/secrets.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Below root/secrets., type: str, required: true}
      uid: {description: Owner and group., type: int, required: true}
      content_base64: {description: The secret in base64., type: str, required: true}
  kept_secrets:
    description: Files below root/secrets that something else writes; they are never in unused_secrets.
    type: list
    elements: str
    default: []
  memory_limits: {description: Service -> MiB., type: dict, required: true}
  memory_reserve: {description: MiB that the host keeps for itself., type: int, required: true}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
  - ragdock.host.arguments.endpoint
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Stage the release and pull its images
  ragdock.host.release_stage:
    root: /opt/ragdock
    files: {compose.yaml: "...", .env: "..."}
    images: {edge: {ref: "registry/edge@sha256:...", tag: abc, size: 1000}}
    memory_limits: {edge: 128}
    memory_reserve: 1024
"""

RETURN = r"""
id: {description: The release., returned: always, type: str}
pending: {description: It does not serve yet., returned: always, type: bool}
pulled: {description: References of images that were pulled., returned: always, type: list, elements: str}
serving: {description: The release that serves; empty when none does., returned: always, type: str}
unused_secrets:
  description: Files below root/secrets that the release does not use, though the one that serves may.
  returned: always
  type: list
  elements: str
"""

import base64
import datetime as dt
import math
import os
import re
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.registry import RegistryError
from ansible_collections.ragdock.host.plugins.module_utils.releases import keys_before
from ansible_collections.ragdock.host.plugins.module_utils.releases.fetch import fetch
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import (
    ReleaseError,
    Store,
    content_hash,
    ensure_secret,
    release_id,
    write_tree,
)

UNPACKED = 3.5  # size of an image on disk, as a multiple of what the registry sends
DISK_RESERVE_MIB = 1024
MIB = 1024 * 1024


def memory_refusal(limits: dict[str, int], reserve: int, total_kib: int) -> str:
    """Why the limits do not fit; empty when they do. The kernel keeps some of a machine's nominal memory."""
    total = sum(limits.values())
    nominal = math.ceil(total_kib / 1024 / 1024) * 1024
    if total + reserve <= nominal:
        return ""
    parts = ", ".join(f"{name} {size}" for name, size in sorted(limits.items()))
    return (
        f"The host has {nominal} MiB of memory; the containers may use {total} MiB ({parts}) "
        f"and the host keeps {reserve} MiB: "
        f"{total + reserve - nominal} MiB too much. Under load the kernel would kill one of them. "
        "Choose a larger ragdock_instance_type or lower ragdock_memory_limits."
    )


def disk_refusal(missing: dict[str, int], free: int, where: str) -> str:
    """Why the images do not fit on the disk; empty when they do."""
    need = int(sum(missing.values()) * UNPACKED) + (DISK_RESERVE_MIB * MIB if missing else 0)
    if need <= free:
        return ""
    return (
        f"{where} has {free // MIB} MiB free; {', '.join(sorted(missing))} need about {need // MIB} MiB. "
        "A disk that fills up stops the database. "
        "Free space there (`docker system df`) or raise ragdock_root_volume_gib."
    )


def ensure_directory(path: Path, uid: int, mode: int, *, check: bool) -> bool:
    """Make a directory with its owner and mode; returns whether it changed."""
    if path.is_dir():
        now = path.stat()
        if (now.st_uid, now.st_gid, now.st_mode & 0o7777) == (uid, uid, mode):
            return False
    if not check:
        path.mkdir(parents=True, exist_ok=True)
        os.chown(path, uid, uid)
        path.chmod(mode)
    return True


def secrets_drift(root: Path, secrets: list[dict[str, Any]], *, check: bool) -> list[str]:
    """Write the secret files; returns the paths that changed."""
    drift = []
    for one in secrets:
        path, content = root / one["path"], base64.b64decode(one["content_base64"]).decode()
        if ensure_secret(path, content, one["uid"], check=True):
            drift.append(one["path"])
            if not check:
                keys_before.keep(root.parent, path)
                ensure_secret(path, content, one["uid"], check=False)
    return drift


def unused_secrets(root: Path, secrets: list[dict[str, Any]], kept: Sequence[str]) -> list[str]:
    """Return the secret files that are neither listed nor in KEPT.

    The release that serves may read them, so they stay until this one serves.
    """
    listed = {*kept, *(one["path"] for one in secrets)}
    files = (str(path.relative_to(root)) for path in sorted(root.rglob("*")) if not path.is_dir())
    return [path for path in files if path not in listed]


def diff(before: dict[str, str], after: dict[str, str], name: str) -> list[dict[str, str]]:
    """What --diff shows: the non-secret files that differ."""
    return [
        {
            "before_header": path,
            "after_header": f"{path} ({name})",
            "before": before.get(path, ""),
            "after": after.get(path, ""),
        }
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def check_compose(engine: Engine, where: Path) -> None:
    """Check that Compose accepts the file."""
    done = engine.compose(where, "config", "--quiet", check=False)
    if done.returncode != 0:
        raise ReleaseError(
            f"docker compose refuses the rendered compose.yaml: {done.stderr.strip()[-800:]}. "
            "Check compose/compose.yaml.j2."
        )


def refuse_when_it_does_not_fit(engine: Engine, params: dict[str, Any]) -> None:
    """Refuse a release for which this host lacks memory or disk space."""
    found = re.search(r"^MemTotal:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    limits = {name: int(size) for name, size in params["memory_limits"].items()}
    refusal = memory_refusal(limits, params["memory_reserve"], int(found.group(1)) if found else 0)
    sizes = {image["ref"]: (name, int(image.get("size", 0))) for name, image in params["images"].items()}
    missing = dict(sizes[ref] for ref in engine.missing_images(list(sizes)))
    where = engine.run("info", "--format", "{{.DockerRootDir}}").stdout.strip()
    refusal = refusal or disk_refusal(missing, shutil.disk_usage(where).free, where)
    if refusal:
        raise ReleaseError(refusal)


def stage(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    root = Path(params["root"])
    store, engine = Store(root), Engine(params["project"])
    made = [
        one["path"]
        for one in params["directories"]
        if ensure_directory(root / one["path"], one["uid"], int(one["mode"], 8), check=check)
    ]
    drift = secrets_drift(root / "secrets", params["secrets"], check=check)
    unused = unused_secrets(root / "secrets", params["secrets"], params["kept_secrets"])
    files: dict[str, str] = params["files"]
    content = content_hash(files)
    current, found = store.current(), store.find(content)
    serving = current.id if current else ""
    result: dict[str, Any] = {
        "serving": serving, "directories": made, "secrets": drift, "unused_secrets": unused, "pulled": [],
    }  # fmt: skip
    if found:
        if not check:
            result["pulled"] = fetch(store, engine, found.id, params["endpoint_url"])
        changed = bool(made or drift or result["pulled"])
        return {**result, "id": found.id, "pending": found.id != serving, "changed": changed}
    name = release_id(content, dt.datetime.now(dt.UTC))
    result.update(
        id=name, pending=True, changed=True, diff=diff(current.files() if current else {}, files, name)
    )
    if check:
        if shutil.which("docker"):
            with tempfile.TemporaryDirectory() as beside:
                write_tree(Path(beside), files)
                check_compose(engine, Path(beside))
                refuse_when_it_does_not_fit(engine, params)
        return result
    record = {**params["record"], "content": content, "images": params["images"],
              "created": f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H:%M:%SZ}"}  # fmt: skip
    check_compose(engine, store.write(name, files, record))
    refuse_when_it_does_not_fit(engine, params)
    return {**result, "pulled": fetch(store, engine, name, params["endpoint_url"])}


def main() -> None:
    """Read the arguments, do it, report."""
    owned = {"path": {"type": "str", "required": True}, "uid": {"type": "int", "required": True}}
    module = AnsibleModule(
        argument_spec=arguments("root", "project", "endpoint")
        | {
            "files": {"type": "dict", "required": True},
            "images": {"type": "dict", "required": True},
            "record": {"type": "dict", "default": {}},
            "directories": {
                "type": "list", "elements": "dict", "default": [],
                "options": {**owned, "mode": {"type": "str", "required": True}},
            },
            "secrets": {
                "type": "list", "elements": "dict", "default": [], "no_log": False,
                "options": {**owned, "content_base64": {"type": "str", "required": True, "no_log": True}},
            },
            "kept_secrets": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "memory_limits": {"type": "dict", "required": True},
            "memory_reserve": {"type": "int", "required": True},
        },
        supports_check_mode=True,
    )  # fmt: skip
    require(module, "boto3")
    try:
        if module.check_mode:
            module.exit_json(**stage(module.params, check=True))
        with Store(Path(module.params["root"])).locked():
            result = stage(module.params, check=False)
        module.exit_json(**result)
    except (ReleaseError, EngineError, RegistryError) as error:
        module.fail_json(
            msg=f"{error} Nothing that runs was changed; {Store(Path(module.params['root'])).serving()}."
        )


if __name__ == "__main__":
    main()
