"""Kernel settings: in a file for the next boot, and in the running kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.commands import Changes
from ansible_collections.ragdock.host.plugins.module_utils.host.errors import HostError

PROC = Path("/proc/sys")
HEADER = "# Written by Ragdock (role host_baseline); a change here is undone by the next run.\n"


class SysctlError(HostError):
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


def apply(module: Changes, path: str, exact: dict[str, Any], at_least: dict[str, Any]) -> list[str]:
    """Change what differs, in the running kernel and in the file for the next boot; return the changes.

    The running kernel is compared, not the file. Raises SysctlError.
    """
    file = Path(path)
    exact = {name: str(value) for name, value in exact.items()}
    at_least = {name: str(value) for name, value in at_least.items()}
    changes = pending(exact, at_least)
    actions = [f"set {name} to {value} (it is {read(name)})" for name, value in changes.items()]
    content = render(exact, at_least)
    stale = not file.exists() or file.read_text() != content
    if not module.check_mode:
        for name, value in changes.items():
            write(name, value)
        if stale:
            file.write_text(content)
            file.chmod(0o644)
    return actions + ([f"write {path}"] if stale else [])
