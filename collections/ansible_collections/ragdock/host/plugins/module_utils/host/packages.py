"""Debian packages, installed when one is missing."""

from __future__ import annotations

from ansible_collections.ragdock.host.plugins.module_utils.apt import apt_get, update
from ansible_collections.ragdock.host.plugins.module_utils.commands import Changes, Commands

INSTALLED = "installed"
# Time for another apt (of the first boot or a nightly upgrade) to end.
LOCK_SECONDS = 300.0


def parse_installed(output: str) -> set[str]:
    """Names of fully installed packages, from dpkg-query's "name status" lines."""
    pairs = (line.split(" ", 1) for line in output.splitlines() if " " in line)
    return {name for name, status in pairs if status == INSTALLED}


def present(module: Commands) -> set[str]:
    """Every package that dpkg lists as installed."""
    query = ["dpkg-query", "--show", "--showformat=${Package} ${db:Status-Status}\n"]
    _code, out, _err = module.run_command(query)
    return parse_installed(out)


def install(module: Changes, names: list[str]) -> list[str]:
    """Install what is missing and return the changes. Raises AptError.

    apt runs only if something is missing: dpkg answers within hundredths of a second. The package lists are
    fetched first, so that the newest security update is installed. An installed package keeps its version;
    another playbook upgrades packages.
    """
    if not names:
        return []
    found = present(module)
    missing = [name for name in names if name not in found]
    if missing and not module.check_mode:
        update(LOCK_SECONDS)
        apt_get(["install", "--yes", "--no-install-recommends", *missing], LOCK_SECONDS)
    return [f"install {name}" for name in missing]
