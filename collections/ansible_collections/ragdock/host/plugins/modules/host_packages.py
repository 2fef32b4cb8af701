#!/usr/bin/python
"""Debian packages of one role, installed when one is missing."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_packages
short_description: Debian packages, installed when one is missing
description:
  - Asks dpkg, which takes hundredths of a second, and starts apt only when a package is missing.
  - Package lists are always fetched before an installation, so the newest security update is what is
    installed. A package that is there keeps its version; upgrading is another playbook's work.
options:
  names:
    description: Packages that must be installed.
    type: list
    elements: str
    required: true
  lock_timeout:
    description: Seconds to wait for another apt (the first boot's, a nightly upgrade's) to end.
    type: int
    default: 300
attributes:
  platform: {platforms: debian}
  check_mode: {support: full}
  diff_mode: {support: none}
extends_documentation_fragment:
  - action_common_attributes
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Firewall tools are installed
  ragdock.host.host_packages:
    names: [nftables]
"""

RETURN = r"""
installed:
  description: Packages that were, or in check mode would be, installed.
  type: list
  elements: str
  returned: always
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.apt import AptError, apt_get, update
from ansible_collections.ragdock.host.plugins.module_utils.commands import Commands

INSTALLED = "installed"


def parse_installed(output: str) -> set[str]:
    """Names of fully installed packages, from dpkg-query's "name status" lines."""
    pairs = (line.split(" ", 1) for line in output.splitlines() if " " in line)
    return {name for name, status in pairs if status == INSTALLED}


def missing(module: Commands, names: list[str]) -> list[str]:
    """Those of the packages that dpkg does not call installed."""
    # dpkg-query ends with 1 when it does not know one of the names; its answer for the others is valid.
    _code, out, _err = module.run_command(
        ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n", *names]
    )
    present = parse_installed(out)
    return [name for name in names if name not in present]


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "names": {"type": "list", "elements": "str", "required": True},
            "lock_timeout": {"type": "int", "default": 300},
        },
        supports_check_mode=True,
    )
    wanted = missing(module, module.params["names"])
    if wanted and not module.check_mode:
        seconds = module.params["lock_timeout"]
        try:
            update(seconds)
            apt_get(["install", "--yes", "--no-install-recommends", *wanted], seconds)
        except (AptError, OSError) as error:
            module.fail_json(msg=str(error))
    module.exit_json(changed=bool(wanted), installed=wanted)


if __name__ == "__main__":
    main()
