"""Whether a backup is compatible with the software here. Each answer is empty or says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def numbers(version: str) -> tuple[int, ...]:
    """2.19.1 as (2, 19, 1)."""
    parts = version.split("-")[0].split(".")
    return tuple(int(part) for part in parts if part.isdigit())


def version_refusal(backup: str, running: str) -> str:
    """OpenSearch reads snapshots of its own and the previous major version, never of a newer one."""
    theirs, ours = numbers(backup), numbers(running)
    if not theirs or not ours:
        return ""
    if theirs > ours:
        return (
            f"The backup was made by OpenSearch {backup}, this host runs {running}, which cannot read it. "
            "Deploy the release that made the backup, or a newer one: playbooks/deploy.yml."
        )
    if ours[0] - theirs[0] > 1:
        return (
            f"The backup was made by OpenSearch {backup}; OpenSearch {running} reads only backups of "
            f"{ours[0] - 1}.x and {ours[0]}.x. Restore only the documents (-e scope=documents): "
            "they are read again."
        )
    return ""


def ledger_refusal(backup: int, running: int) -> str:
    """Software can read its own ledger schema and older ones, not that of a newer release."""
    if backup <= running:
        return ""
    return (
        f"The backup's ledger has version {backup}, the running software knows {running}: a newer "
        "release made the backup. Deploy that release (or a newer one) first: playbooks/deploy.yml."
    )


def embedder_refusal(contract: Mapping[str, Any], name: str, weights: str) -> str:
    """An index's vectors can be searched only with the embedder that made them."""
    made, digest = str(contract.get("model", "")), str(contract.get("digest", ""))
    if not contract or (made == name and digest == weights):
        return ""
    return (
        f"The backup's vectors were made with {made} ({digest[:12]}), this deployment embeds with {name} "
        f"({weights[:12]}): questions would find nothing. Set ragdock_models back to {made} and deploy, or "
        "restore only the documents (-e scope=documents): the worker reads them again."
    )
