#!/usr/bin/python
"""Ansible module: makes the host's control copy of the playbooks match this checkout exactly."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: host_control_copy
short_description: Makes the host's control copy of the playbooks match this checkout
description:
  - The action plugin of the same name gathers the files, and sends them only when the host's differ. It takes
    C(path), C(checkout) (a directory here), C(names) (its files and directories that are copied) and
    C(texts) (path below C(path) -> content).
  - Each file is replaced by rename; what is no longer in the checkout is removed.
options:
  path: {description: Directory on the host., type: path, required: true}
  digest: {description: Hash of all files. Set by the action plugin., type: str, required: true}
  archive: {description: The files on the host. Set by the action plugin., type: path, default: ""}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Copy the playbooks to the host
  ragdock.host.host_control_copy:
    path: /opt/ragdock/deployer
    checkout: "{{ playbook_dir | dirname }}"
    names: [site.yml, playbooks, roles]
    texts: {inventory/hosts.yml: "..."}
"""

RETURN = r"""
changed_paths: {description: "Files that were made, changed or removed.", type: list, returned: when sent}
digest: {description: Hash over all names and contents., type: str, returned: always}
"""

import hashlib
import tarfile
from collections.abc import Iterator
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

CACHE = "__pycache__"


def present(root: Path) -> Iterator[Path]:
    """Every file below the directory except Python's bytecode."""
    return (path for path in sorted(root.rglob("*")) if path.is_file() and CACHE not in path.parts)


def digest_of(root: Path) -> str:
    """Hash all names and contents, in the same way as the action plugin does on the operator's machine."""
    lines = (
        f"{path.relative_to(root)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n"
        for path in present(root)
    )
    return hashlib.sha256("".join(sorted(lines)).encode()).hexdigest()


def put(root: Path, archive: Path) -> list[str]:
    """Make the directory contain exactly the archive's content."""
    changed: list[str] = []
    with tarfile.open(archive) as tar:
        members = {member.name: tar.extractfile(member) for member in tar if member.isfile()}
        for name, file in members.items():
            content, path = file.read() if file else b"", root / name
            if path.is_file() and path.read_bytes() == content:
                continue
            path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            beside = path.with_name(f".{path.name}.new")
            beside.write_bytes(content)
            beside.chmod(0o640)
            beside.replace(path)
            changed.append(name)
    for path in present(root):
        if str(path.relative_to(root)) not in members:
            path.unlink()
            changed.append(str(path.relative_to(root)))
    return changed


def main() -> None:
    """Compare, and install what was sent."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "path", "required": True},
            "digest": {"type": "str", "required": True},
            "archive": {"type": "path", "default": ""},
        },
        supports_check_mode=True,
    )
    root, digest = Path(module.params["path"]), module.params["digest"]
    found = digest_of(root) if root.is_dir() else ""
    diff = {"before": f"{root} has {found or 'nothing'}\n", "after": f"{root} holds {digest}\n"}
    if found == digest or module.check_mode or not module.params["archive"]:
        module.exit_json(changed=found != digest, digest=digest, diff=diff if found != digest else {})
    changed = put(root, Path(module.params["archive"]))
    if (after := digest_of(root)) != digest:
        module.fail_json(
            msg=f"{root} has {after} after copying, {digest} was sent. Something else writes there "
            "(`lsof +D` on the host names it), or the disk loses data. Run again."
        )
    module.exit_json(changed=True, digest=digest, changed_paths=changed, diff=diff)


if __name__ == "__main__":
    main()
