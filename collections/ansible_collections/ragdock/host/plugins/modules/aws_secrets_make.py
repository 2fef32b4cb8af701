#!/usr/bin/python
"""Makes a deployment's missing secrets and stores them; never reads, changes or returns one that exists.

The values are made and stored in this one process: no task argument, no result and no temporary
file contains them. A CA's own key is read back only to sign a missing leaf.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_secrets_make
short_description: Make a deployment's missing secrets in the Parameter Store
description:
  - Passwords of 40 letters and digits; keys on the curve P-256 as PKCS#8; certificates that
    Python 3.13's strict verification accepts. Existing secrets are left alone.
options:
  path: {description: Parameter path that ends with a slash., type: str, required: true}
  state:
    description: Make what is missing or remove all.
    type: str
    choices: [present, absent]
    default: present
  keep: {description: Names that are not removed., type: list, elements: str, default: []}
  passwords: {description: Names of random secrets., type: list, elements: str, default: []}
  certificates:
    description: Name, common name and, for a leaf, issuer, names and usages (server, client).
    type: list
    elements: dict
    default: []
  deployment: {description: Organisation in the certificates., type: str, default: ""}
  tags: {description: Tags of the parameters., type: dict, default: {}}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Create missing secrets
  ragdock.host.aws_secrets_make:
    path: /ragdock/research/
    passwords: [app_password]
    certificates: [{name: edge_ca, common_name: Ragdock edge CA}]
    deployment: research
"""

RETURN = r"""
made: {description: Names of the secrets that were made., type: list, returned: always}
removed: {description: Names of the secrets that were removed., type: list, returned: always}
"""

from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.certificates import Pair, issue
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.secret_store import MANY_ATTEMPTS, Store, password

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError


def make(store: Store, params: dict[str, Any], dry: bool) -> list[str]:
    """Make the missing secrets unless DRY; return their names."""
    present = store.names()
    missing = [name for name in params["passwords"] if name not in present]
    for name in missing if not dry else ():
        store.add(name, password())
    fresh: dict[str, Pair] = {}
    for wanted in params["certificates"]:
        name, issuer = wanted["name"], wanted.get("issuer")
        halves = {f"{name}_key", f"{name}_cert"}
        if halves <= present:
            continue
        if f"{name}_cert" in present:
            raise LookupError(
                f"{store.path}{name}_cert has no key; delete it (aws ssm delete-parameter) and run again"
            )
        missing += sorted(halves - present)
        if dry:
            continue
        # The key is stored first, so an interrupted run may have left one: make the certificate for it.
        found = store.key(name) if f"{name}_key" in present else None
        signer = (fresh.get(issuer) or store.pair(issuer)) if issuer else None
        fresh[name] = issue(wanted, params["deployment"], signer, found)
        key, certificate = fresh[name].pem()
        if found is None:
            store.add(f"{name}_key", key)
        store.add(f"{name}_cert", certificate)
    return missing


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
            "keep": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "passwords": {"type": "list", "elements": "str", "default": [], "no_log": False},
            "certificates": {"type": "list", "elements": "dict", "default": []},
            "deployment": {"type": "str", "default": ""},
            "tags": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    require(module, "boto3", "cryptography")
    params = module.params
    made: list[str] = []
    removed: list[str] = []
    try:
        store = Store(clients(MANY_ATTEMPTS)("ssm"), params["path"], params["tags"])
        if params["state"] == "present":
            made = make(store, params, module.check_mode)
        else:
            removed = sorted(store.names() - {*params["keep"], "lock"})
            if not module.check_mode:
                store.remove(removed)
    except (BotoCoreError, ClientError, LookupError) as error:
        module.fail_json(
            msg=f"Not every secret under {params['path']} could be made or removed: {error}. "
            "No value was changed; "
            "compare your rights with docs/policies/operator.json and run again."
        )
    module.exit_json(changed=bool(made or removed), made=made, removed=removed)


if __name__ == "__main__":
    main()
