#!/usr/bin/python
"""Ansible module: installs newer packages of one kind, and reports what they replaced."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_packages
short_description: Installs newer packages, and reports what they replaced
description:
  - Chooses among what apt calls upgradable; C(security) takes what Debian's security archive offers.
  - The container engine's packages are a kind of their own, patched in a step of their own.
  - In check mode nothing is fetched; what is known to be newer is reported.
options:
  kind:
    description: The system's packages or the engine's.
    type: str
    choices: [system, engine]
    required: true
  scope: {description: Which archive may bring them., type: str, choices: [security, all], required: true}
  lock_timeout: {description: Seconds to wait for another apt., type: int, default: 600}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Upgrade system packages
  ragdock.host.patch_packages:
    kind: system
    scope: security
"""

RETURN = r"""
upgraded:
  description: Name with old and new version, and whether archives still have the old one.
  type: list
  returned: always
restart: {description: Why the host should restart; empty when it need not., type: list, returned: always}
"""

import importlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.apt import apt_get, update

ENGINE = ("docker", "containerd", "runc")
# Packages whose old version stays in memory until the host restarts, even if services restart.
NEEDS_RESTART = re.compile(r"^(linux-image-|libc6$|systemd$|libsystemd0$|dbus$|libssl3|libgnutls30)")
SECURITY = "Debian-Security"
REQUIRED = Path("/var/run/reboot-required")


@dataclass(frozen=True)
class Newer:
    """One package that has a newer version."""

    name: str
    old: str
    new: str
    labels: frozenset[str]
    # Whether archives still have the old version, so that apt can go back to it.
    reversible: bool

    @property
    def engine(self) -> bool:
        """Whether it belongs to the container engine."""
        return self.name.startswith(ENGINE)


def chosen(newer: Iterable[Newer], kind: str, scope: str) -> list[Newer]:
    """The packages of the kind that the scope allows."""
    return sorted(
        (
            one
            for one in newer
            if one.engine == (kind == "engine") and (scope == "all" or SECURITY in one.labels)
        ),
        key=lambda one: one.name,
    )


def restart_reasons(upgraded: Iterable[Newer], required: bool) -> list[str]:
    """Why the host should restart."""
    reasons = [f"{one.name} {one.new}" for one in upgraded if NEEDS_RESTART.match(one.name)]
    return reasons + ([f"{REQUIRED} is there"] if required else [])


def known() -> list[Newer]:
    """Every installed package for which apt knows a newer version; packages on hold are left out."""
    # Debian's package, which exists only for the host's Python.
    apt = importlib.import_module("apt")
    found = []
    for package in apt.Cache():
        if not package.is_upgradable or package._pkg.selected_state == 2:
            continue
        archives = [origin for origin in package.candidate.origins if origin.archive != "now"]
        old = package.installed
        found.append(
            Newer(
                package.shortname,
                old.version,
                package.candidate.version,
                frozenset(origin.label for origin in archives),
                any(origin.archive != "now" for origin in old.origins),
            )
        )
    return found


def main() -> None:
    """Upgrade the packages."""
    module = AnsibleModule(
        argument_spec={
            "kind": {"type": "str", "choices": ["system", "engine"], "required": True},
            "scope": {"type": "str", "choices": ["security", "all"], "required": True},
            "lock_timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params, doing = module.params, []
    try:
        if not module.check_mode:
            update(params["lock_timeout"])
        doing = chosen(known(), params["kind"], params["scope"])
        if doing and not module.check_mode:
            names = [f"{one.name}={one.new}" for one in doing]
            apt_get(["install", "--yes", "--only-upgrade", *names], params["lock_timeout"])
    except (RuntimeError, OSError, ImportError) as error:
        module.fail_json(msg=str(error), upgraded=report(doing), restart=[])
    module.exit_json(
        changed=bool(doing), upgraded=report(doing), restart=restart_reasons(doing, REQUIRED.exists())
    )


def report(newer: Iterable[Newer]) -> list[dict[str, Any]]:
    """The packages as a result for Ansible."""
    return [{"name": one.name, "old": one.old, "new": one.new, "reversible": one.reversible} for one in newer]


if __name__ == "__main__":
    main()
