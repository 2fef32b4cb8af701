#!/usr/bin/python
"""Ansible module: prunes the backup repository by its retention policy and verifies a part each night."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: backup_maintain
short_description: Prunes the backup repository by policy and verifies it
description:
  - Keeps the configured number of daily, weekly and monthly backups. The backup just made is always kept, so
    is the one that a drill verified last. A backup dated in the future replaces no other.
  - Reads a part of all data each night, the one not read for longest, and all that are overdue.
  - Extends the locks of what is still needed, where the bucket has Object Lock.
  - Damage is an error. It is recorded, and the next backup repairs it.
options:
  id: {description: The backup just made., type: str, required: true}
  healed: {description: What was repaired before it was made., type: list, elements: str, default: []}
  read_all: {description: Read all data now., type: bool, default: false}
extends_documentation_fragment:
  - ragdock.host.arguments.backup
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Check the repository and apply the retention policy
  ragdock.host.backup_maintain:
    settings: "{{ _backup_settings }}"
    secrets: "{{ _backup_secrets }}"
    id: "{{ __backup_prepared.id }}"
"""

RETURN = r"""
figures: {description: What was forgotten and read., returned: success, type: dict}
stands: {description: What the operator still has when this fails., returned: always, type: str}
"""

import datetime as dt
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import Backup, last_drills
from ansible_collections.ragdock.host.plugins.module_utils.backup.common import (
    FAILURES,
    BackupError,
    BackupPaths,
    Memory,
    Settings,
    advice,
    gentle,
    what_stands,
)
from ansible_collections.ragdock.host.plugins.module_utils.backup.retention import renew
from ansible_collections.ragdock.host.plugins.module_utils.jobs import read_history
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.restic import Repository

DAY = 86400.0
PACK = re.compile(r"\b[0-9a-f]{64}\b")


def complete(read: Mapping[str, float], parts: int, now: float) -> dict[str, float]:
    """When each part was read. A part that was never read gets a time in an earlier round.

    The result must be saved, so that such a part ages like the others. This spreads the first reads of a
    repository over many nights.
    """
    known = {
        str(part): float(read.get(str(part), now - (parts - part + 1) * DAY)) for part in range(1, parts + 1)
    }
    # A time in the future is from a clock that was wrong.
    return {part: when if when <= now else 0.0 for part, when in known.items()}


def due_parts(read: Mapping[str, float], parts: int, now: float) -> list[int]:
    """The parts (from 1) to read now: the one not read for longest, and every one that is overdue."""
    oldest = min(read, key=lambda part: (read[part], int(part)))
    overdue = [part for part, when in read.items() if now - when >= parts * DAY]
    return sorted({int(oldest), *map(int, overdue)})


def forget_words(
    settings: Settings, spared: Sequence[str], backups: list[Backup], now: dt.datetime
) -> list[str]:
    """The policy as restic's arguments. The spared ids always stay."""
    # A backup with a future date would replace a correct one in each count.
    extra = sum(one.future(now) for one in backups)
    counts = {"daily": settings.keep_daily, "weekly": settings.keep_weekly, "monthly": settings.keep_monthly}
    words = [word for unit, count in counts.items() for word in (f"--keep-{unit}", str(count + extra))]
    words += [word for name in spared for word in ("--keep-tag", f"backup:{name}")]
    return ["forget", "--host", settings.name, "--group-by", "host", *words]


class Maintenance:
    """The steps of the maintenance."""

    def __init__(self, settings: Settings, repository: Repository) -> None:
        self.settings = settings
        self.repository = repository
        self.memory = Memory(BackupPaths(settings.root))
        self.figures: dict[str, Any] = {}

    def forget(self, name: str) -> None:
        """Apply the policy, and also keep the backup just made and the one that a drill verified last."""
        before = self.repository.backups()
        known = {one.id for one in before}
        verified = [one for one in last_drills(read_history(self.settings.root, "drill")) if one in known]
        words = forget_words(self.settings, [name, *verified[-1:]], before, dt.datetime.now(dt.UTC))
        self.repository.run(*words, "--prune")
        after = self.repository.backups()
        if name not in {one.id for one in after}:
            raise BackupError(
                f"restic forgot the backup that was just made ({name}): see `restic snapshots`."
            )
        self.figures |= {"backups": len(after), "forgotten": len(before) - len(after)}

    def check(self, read_all: bool) -> list[str]:
        """Read what is due; returns the damaged files, or restic's message about other damage."""
        parts = self.settings.read_all_days
        now = time.time()
        read = complete(self.memory.values.get("read", {}), parts, now)
        due = list(range(1, parts + 1)) if read_all else due_parts(read, parts, now)
        subsets = {"100%": due} if read_all else {f"{part}/{parts}": [part] for part in due}
        damaged: list[str] = []
        for subset, covered in subsets.items():
            done = self.repository.run("check", "--json", f"--read-data-subset={subset}", good=(0, 1))
            messages = done.messages()
            summary = next((one for one in messages if one.get("message_type") == "summary"), None)
            if done.code and summary is None:
                # restic could not read at all; this error is reported like any other.
                self.repository.judged(("check",), done)
            broken = list((summary or {}).get("broken_packs") or [])
            if done.code:
                damaged += broken or sorted(set(PACK.findall(done.err))) or ["its structure"]
            else:
                read |= {str(part): now for part in covered}
        self.memory.save(read=read)
        self.figures["parts_read"] = len(due)
        return sorted(set(damaged))

    def lost(self) -> list[str]:
        """Backups in which something can no longer be read."""
        done = self.repository.run("repair", "snapshots", "--dry-run", good=(0, 1))
        ids, current = set(), ""
        for line in done.out.splitlines():
            begins = re.match(r"snapshot ([0-9a-f]{8})", line)
            current = begins[1] if begins else current
            # Each snapshot is followed by what it misses; a complete one by nothing.
            if not begins and re.match(r"\s+(file|dir)", line):
                ids.add(current)
        return [one.id for one in self.repository.backups() if one.snapshot[:8] in ids]


def main() -> None:
    """Maintain the repository."""
    module = AnsibleModule(
        argument_spec=arguments("backup")
        | {
            "id": {"type": "str", "required": True},
            "healed": {"type": "list", "elements": "str", "default": []},
            "read_all": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    settings = Settings.of(module.params["settings"])
    paths = BackupPaths(settings.root)
    if module.check_mode:
        module.exit_json(changed=False, figures={}, stands=what_stands(Memory(paths)))
    began = time.monotonic()
    step = Maintenance(settings, settings.repository(module.params["secrets"]))
    try:
        gentle(settings)
        with paths.alone():
            damaged = step.check(module.params["read_all"])
            step.memory.save(damaged=damaged)
            if damaged:
                lost = step.lost() if module.params["healed"] else []
                raise BackupError(report(damaged, lost, module.params["id"]))
            step.forget(module.params["id"])
            step.figures["locked_anew"] = renew(settings, time.time())
    except FAILURES as error:
        module.fail_json(msg=advice(error, settings), stands=what_stands(step.memory), figures=step.figures)
    step.figures["tended_seconds"] = round(time.monotonic() - began, 1)
    module.exit_json(
        changed=bool(step.figures["forgotten"]), figures=step.figures, stands=what_stands(step.memory)
    )


def report(damaged: list[str], lost: list[str], name: str) -> str:
    """What damage means and what happens next."""
    names = ", ".join(one[:12] for one in damaged[:5])
    first = (
        f"The repository is damaged: {len(damaged)} of its files do not read as they were written ({names})."
    )
    if lost:
        return (
            f"{first} Their content is no longer on the host: data is missing from the backups "
            f"{', '.join(lost)}. All others are whole. "
            "docs/operate/backups.md ('The repository is damaged') says how to remove what is lost."
        )
    return (
        f"{first} Backup {name} itself was stored, and nothing was pruned. The next backup repairs what it "
        "can from what is still on the host: run playbooks/backup.yml now, or wait for the night."
    )


if __name__ == "__main__":
    main()
