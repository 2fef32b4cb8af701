#!/usr/bin/python
"""Kernel settings: in a file for the next boot, and in the running kernel."""

from __future__ import annotations

DOCUMENTATION = r"""
module: host_sysctls
short_description: Kernel settings, for the next boot and in the running kernel
description:
  - Compares the running kernel, not a file, with the given values, and writes only what differs.
options:
  exact:
    description: Settings with exactly this value.
    type: dict
    default: {}
  at_least:
    description: Settings with this value or a greater one, so that a machine already tuned higher is left as
      it is.
    type: dict
    default: {}
  path:
    description: File that systemd-sysctl reads at boot.
    type: path
    required: true
attributes:
  platform: {platforms: debian}
  check_mode: {support: full}
  diff_mode: {support: full}
extends_documentation_fragment:
  - action_common_attributes
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Kernel suits OpenSearch
  ragdock.host.host_sysctls:
    path: /etc/sysctl.d/60-ragdock.conf
    at_least: {vm.max_map_count: 262144}
"""

RETURN = r"""
changed_settings:
  description: Settings whose running value was, or would be, changed.
  type: list
  elements: str
  returned: always
"""

from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

PROC = Path("/proc/sys")
HEADER = "# Written by Ragdock (role host_baseline); a change here is undone by the next run.\n"


class SysctlError(Exception):
    """A setting that this kernel does not have, or does not let change."""


def location(name: str) -> Path:
    """Where the kernel shows the setting."""
    return PROC / name.replace(".", "/")


def read(name: str) -> str:
    """The running value, with single blanks between its words."""
    try:
        return " ".join(location(name).read_text().split())
    except FileNotFoundError as error:
        raise SysctlError(
            f"This kernel has no setting {name}. It may be misspelt, or its module is not loaded; correct "
            "host_baseline_sysctls_exact or host_baseline_sysctls_at_least."
        ) from error


def write(name: str, value: str) -> None:
    """Change the running value."""
    try:
        location(name).write_text(value)
    except OSError as error:
        raise SysctlError(
            f"The kernel keeps {name} at {read(name)} and refuses {value}: {error.strerror}. On a host "
            f"inside a container the setting belongs to the machine outside: run `sysctl -w "
            f"{name}={value}` there, then again."
        ) from error


def pending(exact: dict[str, str], at_least: dict[str, str]) -> dict[str, str]:
    """Settings whose running value differs, with the value to set."""
    wrong = {name: value for name, value in exact.items() if read(name) != value}
    low = {name: value for name, value in at_least.items() if int(read(name)) < int(value)}
    return {**wrong, **low}


def render(exact: dict[str, str], at_least: dict[str, str]) -> str:
    """The file for the next boot; a higher running value of an at-least setting is kept."""
    kept = {name: str(max(int(value), int(read(name)))) for name, value in at_least.items()}
    return HEADER + "".join(f"{name} = {value}\n" for name, value in sorted({**exact, **kept}.items()))


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "exact": {"type": "dict", "default": {}},
            "at_least": {"type": "dict", "default": {}},
            "path": {"type": "path", "required": True},
        },
        supports_check_mode=True,
    )
    exact = {name: str(value) for name, value in module.params["exact"].items()}
    at_least = {name: str(value) for name, value in module.params["at_least"].items()}
    file = Path(module.params["path"])
    try:
        changes = pending(exact, at_least)
        before = {name: read(name) for name in changes}
        content = render(exact, at_least)
        stale = not file.exists() or file.read_text() != content
        if not module.check_mode:
            for name, value in changes.items():
                write(name, value)
            if stale:
                file.write_text(content)
                file.chmod(0o644)
    except SysctlError as error:
        module.fail_json(msg=str(error))
    module.exit_json(
        changed=bool(changes) or stale,
        changed_settings=sorted(changes),
        diff={
            "before": "".join(f"{name} = {value}\n" for name, value in before.items()),
            "after": "".join(f"{name} = {value}\n" for name, value in changes.items()),
            "before_header": "running kernel",
            "after_header": "running kernel",
        },
    )


if __name__ == "__main__":
    main()
