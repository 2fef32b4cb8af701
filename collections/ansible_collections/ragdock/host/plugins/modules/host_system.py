#!/usr/bin/python
"""What one role needs of the host: packages, volume, files, kernel settings and services, in one call."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_system
short_description: Packages, volume, files, kernel settings and services of the host, in one call
description:
  - Brings the host to the given state in this order, and reports each change. A call costs as much as one
    task, whatever it compares, so a role needs one.
  - A package that is there keeps its version. Package lists are fetched before an installation.
  - A blank device is formatted, once; blank means that no tool sees a signature on it and that its first and
    last mebibyte are zeros. A device with a file system of the wanted type is mounted as it is. Anything else
    is refused. The directory under the mount is made immutable, so that nothing writes to the root disk while
    the volume is away. When the device has grown, the file system grows with it, mounted.
  - A file is checked by its own program before it replaces the old one, so a broken file is never used. With
    O(checks), the whole is checked again after the files are in place; when a check fails, every file of this
    call gets its former content back.
  - A unit whose O(units[].reads) changed after the unit last changed its state is restarted or reloaded. This
    compares the host as it is, so a run that was interrupted between writing a file and restarting its reader
    is completed by the next run, which a handler cannot do.
options:
  packages:
    description: Debian packages that must be installed.
    type: list
    elements: str
    default: []
  volume:
    description: The data volume.
    type: dict
    suboptions:
      device: {description: Stable path of the device (/dev/disk/by-id/...)., type: path, required: true}
      path: {description: Where it is mounted., type: path, required: true}
      label: {description: Label given when formatting., type: str, required: true}
  directories:
    description: Directories that exist, with owner, group and mode; parents are made as needed, owned by
      root.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      owner: {description: User name or number., type: str, default: root}
      group: {description: Group name or number., type: str, default: root}
      mode: {description: Octal mode., type: str, default: "0755"}
  files:
    description: Files with exactly this content, owner, group and mode.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Absolute path., type: path, required: true}
      content: {description: The whole content., type: str, required: true}
      owner: {description: User name or number., type: str, default: root}
      group: {description: Group name or number., type: str, default: root}
      mode: {description: Octal mode., type: str, default: "0644"}
      validate:
        description: Program and arguments that accept or refuse the new file; C(%s) is replaced by its path.
        type: list
        elements: str
        default: []
  absent:
    description: Paths of files that must not exist.
    type: list
    elements: path
    default: []
  checks:
    description: Commands that must succeed once changed files are in place.
    type: list
    elements: list
    default: []
  sysctls:
    description: Kernel settings, for the next boot and in the running kernel.
    type: dict
    suboptions:
      path: {description: The file that is read at boot., type: path, required: true}
      exact: {description: Settings with exactly this value., type: dict, default: {}}
      at_least:
        description: Settings with this value or a greater one; a machine already tuned higher is left as it
          is.
        type: dict
        default: {}
  units:
    description: systemd units, in the order in which they are acted on.
    type: list
    elements: dict
    default: []
    suboptions:
      name: {description: Full unit name., type: str, required: true}
      enabled: {description: Whether it starts at boot., type: bool, default: true}
      optional:
        description: A unit that a host may lack or keep off. Only where it runs does it read its files again.
        type: bool
        default: false
      state:
        description:
          - Whether it runs now; V(any) leaves that as it is.
          - A unit that systemd's own conditions keep off (the clock of a container) counts as running.
        type: str
        choices: [running, stopped, any]
        default: running
      reads:
        description: Files that it reads when it starts or reloads.
        type: list
        elements: path
        default: []
      on_change:
        description: What makes it read them again.
        type: str
        choices: [restart, reload]
        default: restart
      holds:
        description: Command that succeeds while the unit's effect is in place; else O(units[].on_change) is
          done.
        type: list
        elements: str
        default: []
attributes:
  platform: {platforms: debian}
  check_mode: {support: full}
  diff_mode: {support: full}
extends_documentation_fragment:
  - action_common_attributes
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Configure SSH
  ragdock.host.host_system:
    packages: [openssh-server]
    files:
      - path: /etc/ssh/sshd_config.d/10-keys.conf
        content: "PasswordAuthentication no\n"
        validate: [/usr/sbin/sshd, -t, -f, "%s"]
    units:
      - {name: ssh.service, reads: [/etc/ssh/sshd_config.d/10-keys.conf], on_change: reload}
"""

RETURN = r"""
actions:
  description: What was, or in check mode would be, done.
  type: list
  elements: str
  returned: always
"""

from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.apt import AptError
from ansible_collections.ragdock.host.plugins.module_utils.commands import Changes
from ansible_collections.ragdock.host.plugins.module_utils.host import packages, sysctls
from ansible_collections.ragdock.host.plugins.module_utils.host.errors import HostError
from ansible_collections.ragdock.host.plugins.module_utils.host.files import HostFiles
from ansible_collections.ragdock.host.plugins.module_utils.host.services import HostServices
from ansible_collections.ragdock.host.plugins.module_utils.host.volume import DataVolume


class HostSystem:
    """One call's work: what was done, and the differences of the files."""

    def __init__(self, module: Changes) -> None:
        self.module = module
        self.actions: list[str] = []
        self.diffs: list[str] = []

    def run(self, params: dict[str, Any]) -> None:
        """Apply all in order. Raises HostError, AptError or OSError; `actions` has what was done before."""
        self.actions += packages.install(self.module, params["packages"])
        if params["volume"]:
            DataVolume(self.module, **params["volume"], actions=self.actions).run()
        HostFiles(self.module, self.actions, self.diffs).run(
            params["directories"], params["files"], params["absent"], params["checks"]
        )
        if params["sysctls"]:
            self.actions += sysctls.apply(self.module, **params["sysctls"])
        if params["units"]:
            HostServices(self.module, self.actions).run(params["units"])


def options() -> dict[str, Any]:
    """The module's arguments, as DOCUMENTATION describes them."""
    path = {"type": "path", "required": True}
    name = {"type": "str", "required": True}
    words = {"type": "list", "elements": "str", "default": []}
    owned = {
        "path": path,
        "owner": {"type": "str", "default": "root"},
        "group": {"type": "str", "default": "root"},
    }
    directory = {**owned, "mode": {"type": "str", "default": "0755"}}
    file = {**owned, "mode": {"type": "str", "default": "0644"}, "content": name, "validate": words}
    unit = {
        "name": name,
        "enabled": {"type": "bool", "default": True},
        "optional": {"type": "bool", "default": False},
        "state": {"type": "str", "choices": ["running", "stopped", "any"], "default": "running"},
        "reads": {"type": "list", "elements": "path", "default": []},
        "on_change": {"type": "str", "choices": ["restart", "reload"], "default": "restart"},
        "holds": words,
    }
    settings = {"type": "dict", "default": {}}
    return {
        "packages": words,
        "volume": {"type": "dict", "options": {"device": path, "path": path, "label": name}},
        "directories": {"type": "list", "elements": "dict", "default": [], "options": directory},
        "files": {"type": "list", "elements": "dict", "default": [], "options": file},
        "absent": {"type": "list", "elements": "path", "default": []},
        "checks": {"type": "list", "elements": "list", "default": []},
        "sysctls": {"type": "dict", "options": {"path": path, "exact": settings, "at_least": settings}},
        "units": {"type": "list", "elements": "dict", "default": [], "options": unit},
    }


def main() -> None:
    """Run as an Ansible module."""
    # no_log keeps the contents of files out of the host's journal; what is returned stays visible.
    module = AnsibleModule(argument_spec=options(), supports_check_mode=True, no_log=True)
    work = HostSystem(module)
    try:
        work.run(module.params)
    except (HostError, AptError, OSError) as error:
        module.fail_json(msg=str(error), changed=bool(work.actions), actions=work.actions)
    lines = "".join(f"{action}\n" for action in work.actions)
    module.exit_json(
        changed=bool(work.actions), actions=work.actions, diff={"prepared": "".join(work.diffs) + lines}
    )


if __name__ == "__main__":
    main()
