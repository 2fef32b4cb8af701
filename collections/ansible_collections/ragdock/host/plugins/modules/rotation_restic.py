#!/usr/bin/python
"""Ansible module: adds a new password to the backups' repository, and removes the old one."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: rotation_restic
short_description: Adds a password to the backups' repository, or removes the old one
description:
  - Adding what opens the repository already, and removing what is gone, change nothing.
  - Only the key that the old password opened is removed; keys that were added by hand stay.
options:
  location: {description: restic's name of the repository., type: str, required: true}
  region: {description: Region of the bucket., type: str, default: ""}
  password: {description: The password that opens it now., type: str, required: true}
  new_password: {description: The one to add; empty adds none., type: str, default: ""}
  remove: {description: The key to remove; empty removes none., type: str, default: ""}
extends_documentation_fragment:
  - ragdock.host.arguments.root
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Add the new password to the backup repository
  ragdock.host.rotation_restic: {location: /mnt/backups, password: "{{ old }}", new_password: "{{ new }}"}
"""

RETURN = r"""
key: {description: Key of the present password; empty without a repository., returned: success, type: str}
"""

from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.restic import (
    PROBE_SECONDS,
    Repository,
    ResticError,
)


def opens(repository: Repository) -> str:
    """The key that a repository's password opens; empty when it opens none."""
    try:
        return str(repository.key())
    except ResticError as error:
        if error.kind == "password":
            return ""
        raise


def change(params: dict[str, Any]) -> dict[str, Any]:
    """Do it and return the result for Ansible."""
    cache = Path(params["root"]) / "backup" / "cache"
    repository = Repository(params["location"], params["password"], params["region"], cache=cache)
    try:
        mine = repository.key()
    except ResticError as error:
        if error.kind != "absent":
            raise
        # No backup was made yet: the first one will use the new password.
        return {"changed": False, "key": ""}
    changed = False
    new = params["new_password"]
    if new and not opens(Repository(params["location"], new, params["region"], cache=cache)):
        repository.add_key(new)
        changed = True
    if params["remove"] and params["remove"] != mine and params["remove"] in repository.key_ids():
        repository.run("key", "remove", params["remove"], seconds=PROBE_SECONDS)
        changed = True
    return {"changed": changed, "key": mine}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec=arguments("root")
        | {
            "location": {"type": "str", "required": True},
            "region": {"type": "str", "default": ""},
            "password": {"type": "str", "required": True, "no_log": True},
            "new_password": {"type": "str", "default": "", "no_log": True},
            "remove": {"type": "str", "default": ""},
        }
    )
    try:
        module.exit_json(**change(module.params))
    except ResticError as error:
        module.fail_json(
            msg=f"The repository {module.params['location']} did not change its password: {error}. "
            "Backups use the current one. Run playbooks/rotate.yml again when the repository answers."
        )


if __name__ == "__main__":
    main()
