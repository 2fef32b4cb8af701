"""Filters that make tables which can be read in Ansible's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.tables import table


def verify_table(rows: Sequence[dict[str, Any]]) -> str:
    """Each promise, held or not, and the figure."""
    return table(
        [[row["area"], row["promise"], "held" if row["held"] else "NOT HELD", row["figure"]] for row in rows],
        ["area", "promise", "", "figure"],
    )


def verify_broken(rows: Sequence[dict[str, Any]]) -> str:
    """What is not held, in full, and what to do about each."""
    broken = [row for row in rows if not row["held"]]
    parts = [f"{row['area']}: {row['promise']}: {row['figure']}\n  -> {row['hint']}" for row in broken]
    return "\n".join([f"{len(broken)} of {len(rows)} promises are not held:", *parts])


class FilterModule:
    """Names of the filters."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """For Ansible."""
        return {"plain_table": table, "verify_table": verify_table, "verify_broken": verify_broken}
