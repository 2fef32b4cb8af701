"""Checks the programs that carry SSH to the host: the AWS CLI and its Session Manager plugin."""

from __future__ import annotations

import os
import re
import subprocess

CLI = "aws"
PLUGIN = "session-manager-plugin"
SECONDS = 60
# Advice for programs that are installed elsewhere.
ELSEWHERE = "or set ragdock_aws_cli_folder to the folder that has it"
CLI_PAGE = "https://docs.aws.amazon.com/cli/latest/userguide/getting-started-install.html"
PLUGIN_PAGE = (
    "https://docs.aws.amazon.com/systems-manager/latest/userguide/"
    "session-manager-working-with-install-plugin.html"
)

WHY = "The host opens no port for SSH: they carry Ansible's connections."


def version(program: str, path: str) -> str:
    """The version that a program prints; empty if it is missing or does not run."""
    try:
        done = subprocess.run(
            [program, "--version"],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return (done.stdout or done.stderr).strip() if done.returncode == 0 else ""


def problems(folder: str) -> list[str]:
    """One sentence for each program, in the folder or else in PATH, that cannot be used for a session."""
    path = os.pathsep.join(filter(None, (folder, os.environ.get("PATH", ""))))
    cli, missing = version(CLI, path), []
    said = re.match(r"aws-cli/(\d+)\.", cli)
    if said is None:
        missing.append(
            "`aws --version` does not run on this machine: "
            f"install the AWS CLI, version 2 ({CLI_PAGE}), {ELSEWHERE}."
        )
    elif int(said[1]) < 2:
        missing.append(
            f"The AWS CLI on this machine is {cli.split()[0]}: install version 2 ({CLI_PAGE}), {ELSEWHERE}."
        )
    if not version(PLUGIN, path):
        missing.append(
            f"`session-manager-plugin` does not run on this machine: install it ({PLUGIN_PAGE}), {ELSEWHERE}."
        )
    return missing
