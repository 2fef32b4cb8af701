#!/usr/bin/python
"""Ansible module: keeps OpenSearch's users and their rights as defined; repairs only drift."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: opensearch_users
short_description: Keeps OpenSearch's internal users, roles and mappings as defined
description:
  - Reads the real state first, and whether each user can log in with its password and holds only its role.
  - Repairs drift through the security plugin's REST API, with the admin client certificate.
  - What is not named is left alone, except that no other role may be mapped to a named user.
options:
  roles: {description: Roles in the security plugin's format., type: dict, required: true}
  passwords: {description: User -> password. Each holds the role of its name., type: dict, required: true}
  timeout: {description: Seconds to wait until the node answers., type: int, default: 120}
extends_documentation_fragment:
  - ragdock.host.arguments.project
  - ragdock.host.arguments.opensearch
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Create OpenSearch's users and roles
  ragdock.host.opensearch_users:
    ca: "{{ stack_secrets.opensearch_ca_cert }}"
    admin_cert: "{{ stack_secrets.opensearch_admin_cert }}"
    admin_key: "{{ stack_secrets.opensearch_admin_key }}"
    roles: "{{ lookup('ansible.builtin.file', 'opensearch_roles.yml') | from_yaml }}"
    passwords:
      ragdock_app: "{{ stack_secrets.opensearch_app_password }}"
"""

RETURN = r"""
repaired: {description: What had drifted and was repaired., returned: always, type: list, elements: str}
users: {description: User -> the roles it holds now., returned: success, type: dict}
"""

import time
from functools import partial
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError, address, serving
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.security import API, Cluster

SETTLE_SECONDS = 15.0
DESCRIPTION = "made by Ragdock's deploy"


HOLDS: dict[str, Any] = {"backend_roles": [], "opendistro_security_roles": [], "attributes": {}}
# The fields of a role, as the API returns it, that hold its rights.
ROLE_RIGHTS = ("cluster_permissions", "index_permissions", "tenant_permissions")


def rights(role: dict[str, Any]) -> dict[str, Any]:
    """The rights of a role, without what does not matter: order, defaults, labels."""
    return {
        "cluster": sorted(role.get("cluster_permissions") or []),
        "tenants": role.get("tenant_permissions") or [],
        "indices": sorted(
            (
                sorted(one.get("index_patterns") or []),
                sorted(one.get("allowed_actions") or []),
                one.get("dls") or "",
                sorted(one.get("fls") or []),
                sorted(one.get("masked_fields") or []),
            )
            for one in role.get("index_permissions") or []
        ),
    }


def mapping_of(user: str) -> dict[str, Any]:
    """The mapping that gives a user the role of its own name."""
    return {"users": [user], "backend_roles": [], "hosts": [], "and_backend_roles": []}


def same_mapping(found: dict[str, Any], expected: dict[str, Any]) -> bool:
    """Whether a mapping grants exactly what is wanted."""
    return all(sorted(found.get(key) or []) == value for key, value in expected.items())


class Reconciler:
    """Compares the cluster with the definitions and repairs what drifted."""

    def __init__(self, cluster: Cluster, roles: dict[str, Any], passwords: dict[str, str], dry: bool) -> None:
        self.cluster = cluster
        self.roles = {name: role for name, role in roles.items() if name != "_meta"}
        self.passwords = passwords
        self.dry = dry
        self.repaired: list[str] = []

    def _write(self, what: str, kind: str, name: str, value: dict[str, Any] | None) -> None:
        if not self.dry:
            self.cluster.write(kind, name, value)
        self.repaired.append(what)

    def run(self) -> dict[str, list[str]]:
        """Repair; return the roles that each user holds now."""
        self._roles()
        self._users()
        self._mappings()
        if self.dry and self.repaired:
            return {}
        return {user: self._checked(user) for user in self.passwords}

    def _roles(self) -> None:
        found = self.cluster.read("roles")
        for name, role in self.roles.items():
            if name not in found:
                self._write(f"role {name} was missing", "roles", name, self._payload(role))
            elif rights(found[name]) != rights(role):
                self._write(f"rights of role {name} differed", "roles", name, self._payload(role))

    @staticmethod
    def _payload(role: dict[str, Any]) -> dict[str, Any]:
        return {key: role.get(key, []) for key in ROLE_RIGHTS} | {"description": role.get("description", "")}

    def _users(self) -> None:
        found = self.cluster.read("internalusers")
        for user, password in self.passwords.items():
            if user not in found:
                why = f"user {user} was missing"
            elif any((found[user].get(key) or type(empty)()) != empty for key, empty in HOLDS.items()):
                why = f"user {user} held roles of its own"
            elif self.cluster.roles_of(user, password) is None:
                why = f"password of user {user} was another"
            else:
                continue
            self._write(
                why, "internalusers", user, HOLDS | {"password": password, "description": DESCRIPTION}
            )

    def _mappings(self) -> None:
        found = self.cluster.read("rolesmapping")
        for user in self.passwords:
            if not same_mapping(found.get(user, {}), mapping_of(user)):
                self._write(
                    f"role {user} was not mapped to its user alone", "rolesmapping", user, mapping_of(user)
                )
        defined = self.cluster.read("roles")
        for role, mapping in found.items():
            named = mapping.get("users") or []
            strangers = [user for user in named if user in self.passwords]
            if not strangers or role in self.passwords:
                continue
            kept = {key: mapping.get(key) or [] for key in mapping_of("")}
            kept["users"] = [user for user in named if user not in strangers]
            # A mapping to a role that is not defined cannot be changed, only removed.
            value = kept if role in defined else None
            self._write(f"role {role} was also mapped to {', '.join(strangers)}", "rolesmapping", role, value)

    def _checked(self, user: str) -> list[str]:
        # A cluster of one node applies a change within a second.
        until = time.monotonic() + SETTLE_SECONDS
        while True:
            holds: list[str] | None = self.cluster.roles_of(user, self.passwords[user])
            if holds == [user]:
                return holds
            if time.monotonic() > until:
                reported = "its password is refused" if holds is None else f"it has {holds}"
                raise SearchError(
                    f"user {user} should log in and have only the role {user}, but {reported}. "
                    f"A mapping of '*' would do that: GET {API}/rolesmapping as the admin shows it."
                )
            time.sleep(0.5)


def main() -> None:
    """Reconcile users, roles and mappings."""
    module = AnsibleModule(
        argument_spec=arguments("project", "opensearch")
        | {
            "roles": {"type": "dict", "required": True},
            "passwords": {"type": "dict", "required": True, "no_log": True},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    params = module.params
    nameless = sorted(set(params["passwords"]) - set(params["roles"]))
    if nameless:
        module.fail_json(
            msg=f"Users without a role of their own name: {nameless}. Add the roles to opensearch_roles.yml."
        )
    reconciler = None
    node = partial(serving, module.run_command, params["project"], "opensearch")
    try:
        host = address(node())
        admin = (params["admin_cert"], params["admin_key"])
        cluster = Cluster(host, params["ca"], admin)
        cluster.ready(float(params["timeout"]), node)
        reconciler = Reconciler(cluster, params["roles"], params["passwords"], module.check_mode)
        users = reconciler.run()
    except (EngineError, SearchError) as error:
        done = reconciler.repaired if reconciler else []
        why = f"Users of OpenSearch could not be reconciled: {error}"
        module.fail_json(msg=why, repaired=done, changed=bool(done))
    module.exit_json(changed=bool(reconciler.repaired), repaired=reconciler.repaired, users=users)


if __name__ == "__main__":
    main()
