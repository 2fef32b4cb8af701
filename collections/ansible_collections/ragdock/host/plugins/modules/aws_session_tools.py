#!/usr/bin/python
"""Checks that this machine has what carries SSH to the host: the AWS CLI and its Session Manager plugin."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_session_tools
short_description: Check the AWS CLI and its Session Manager plugin
description:
  - Runs each of them once, for its version. Changes nothing. Fails with what to install.
options:
  folder: {description: Folder that has them; empty for PATH., type: str, default: ""}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Check the AWS CLI and its Session Manager plugin
  ragdock.host.aws_session_tools:
"""

RETURN = r"""
versions: {description: Version by program., type: dict, returned: success}
"""

import re

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.commands import Commands

CLI = "aws"
PLUGIN = "session-manager-plugin"
# Who has the programs elsewhere says so by a setting.
ELSEWHERE = "or set ragdock_aws_cli_folder to the folder that has it"
CLI_PAGE = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
PLUGIN_PAGE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)


def version(module: Commands, program: str, path: str) -> str:
    """What a program prints when it is asked for its version; empty when it is missing or does not run."""
    code, out, err = module.run_command(
        [program, "--version"], path_prefix=path or None, handle_exceptions=False
    )
    return (out or err).strip() if code == 0 else ""


def problems(found: dict[str, str]) -> list[str]:
    """One sentence for each program that cannot carry a session."""
    missing = []
    said = re.match(r"aws-cli/(\d+)\.", found[CLI])
    if said is None:
        missing.append(
            "`aws --version` does not run on this machine: "
            f"install the AWS CLI, version 2 ({CLI_PAGE}), {ELSEWHERE}."
        )
    elif int(said[1]) < 2:
        missing.append(
            f"The AWS CLI on this machine is {found[CLI].split()[0]}: "
            f"install version 2 ({CLI_PAGE}), {ELSEWHERE}."
        )
    if not found[PLUGIN]:
        missing.append(
            f"`session-manager-plugin` does not run on this machine: install it ({PLUGIN_PAGE}), {ELSEWHERE}."
        )
    return missing


def look(module: Commands, folder: str) -> dict[str, str]:
    """The version of each program."""
    found = {}
    for program in (CLI, PLUGIN):
        try:
            found[program] = version(module, program, folder)
        except OSError:
            found[program] = ""
    return found


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(argument_spec={"folder": {"type": "str", "default": ""}}, supports_check_mode=True)
    found = look(module, module.params["folder"])
    if missing := problems(found):
        missing.append(
            "The host opens no port for SSH: they carry Ansible's connections. Nothing was changed."
        )
        module.fail_json(msg="\n".join(missing))
    module.exit_json(changed=False, versions=found)


if __name__ == "__main__":
    main()
