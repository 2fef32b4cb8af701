"""Filters that format tables for Ansible's output."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.tables import table


def verify_table(rows: Sequence[dict[str, Any]]) -> str:
    """Each check with its result and figure."""
    return table(
        [
            [row["area"], row["check"], "passed" if row["passed"] else "NOT PASSED", row["figure"]]
            for row in rows
        ],
        ["area", "check", "", "figure"],
    )


def verify_broken(rows: Sequence[dict[str, Any]]) -> str:
    """The failed checks in full, and what to do about each."""
    failed = [row for row in rows if not row["passed"]]
    parts = [f"{row['area']}: {row['check']}: {row['figure']}\n  -> {row['hint']}" for row in failed]
    return "\n".join([f"{len(failed)} of {len(rows)} checks failed:", *parts])


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Callable[..., str]]:
        """The filters of this file by name."""
        return {"plain_table": table, "verify_table": verify_table, "verify_broken": verify_broken}
