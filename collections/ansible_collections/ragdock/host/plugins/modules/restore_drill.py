#!/usr/bin/python
"""Ansible module: restores a backup into a throwaway OpenSearch and compares everything with its manifest."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: restore_drill
short_description: Verifies a backup by restoring it beside the live stack
description:
  - Fetches the backup, compares every file with the manifest, reads the ledger, restores the indices into
    a throwaway OpenSearch, compares their documents and runs the golden queries.
  - The throwaway node and what was fetched are removed, also those of a drill that was killed.
options:
  wanted: {description: "An id, a time, or latest.", type: str, default: latest}
  memory_mib: {description: Memory of the throwaway OpenSearch., type: int, default: 1024}
  promised:
    description: Whether this run makes a backup first, which check mode does not.
    type: bool
    default: false
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
  - ragdock.host.arguments.repository
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Restore the backup beside the live stack and compare it
  ragdock.host.restore_drill:
    repository: s3:https://s3.eu-central-1.amazonaws.com/bucket/backup
    password: "{{ secrets.restic_password }}"
"""

RETURN = r"""
figures: {description: "Seconds, counts and bytes; the backup's id.", type: dict, returned: always}
swept: {description: What an earlier drill had left., type: list, returned: always}
"""

import datetime as dt
import shutil
import signal
import time
from pathlib import Path
from types import FrameType
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.backup.snapshots import snapshot_name
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.ledger import LedgerError, facts
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import RECORD, ReleaseError, Store
from ansible_collections.ragdock.host.plugins.module_utils.restic import ResticError
from ansible_collections.ragdock.host.plugins.module_utils.restore import content as parts
from ansible_collections.ragdock.host.plugins.module_utils.restore.backups import (
    NoSuchBackupError,
    backups_of,
    chosen,
    readable,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.throwaway import (
    Throwaway,
    available_mib,
    memory_refusal,
)

RELEASE_FILES = ("compose.yaml", ".env", RECORD)
FAILURES = (
    ResticError, NoSuchBackupError, parts.ContentError, manifests.ManifestError, LedgerError,
    SearchError, EngineError, ReleaseError, OSError,
)  # fmt: skip


class DrillError(Exception):
    """The backup does not match its manifest. The text says where."""


class EndedError(Exception):
    """The drill was asked to end."""


class Drill:
    """One drill."""

    def __init__(self, params: dict[str, Any]) -> None:
        self.params = params
        self.root = Path(params["root"])
        self.place = self.root / "drill"
        self.repository = parts.repository(
            params["repository"], params["password"], params["region"], self.root
        )
        self.figures: dict[str, Any] = {}
        self.swept: list[str] = []
        current = Store(self.root).current()
        if current is None:
            raise ReleaseError("Nothing serves on this host: run playbooks/deploy.yml first.")
        self.node = Throwaway(
            Engine(params["project"]),
            self.place,
            str(current.images["opensearch"]["ref"]),
            int(params["memory_mib"]),
            current.path / "config" / "opensearch",
        )

    def choose(self) -> parts.Content:
        """The requested backup; raises if the drill may not start."""
        refusal = memory_refusal(
            self.node.memory_mib, available_mib(Path("/proc/meminfo").read_text(encoding="ascii"))
        )
        if refusal:
            raise EngineError(refusal)
        now = dt.datetime.now(dt.UTC)
        backup = chosen(backups_of(self.repository), self.params["wanted"], now)
        self.figures |= {"backup": backup.id, "rpo_seconds": round((now - backup.time).total_seconds(), 1)}
        return parts.load(self.repository, backup)

    def run(self) -> None:
        """Run the whole drill; clean up however it ends."""
        self.swept = self.node.sweep()
        try:
            began = time.monotonic()
            content = self.choose()
            self.place.mkdir(mode=0o700)
            staged = self.place / "staged"
            free = shutil.disk_usage(self.root).free
            parts.fetch(self.repository, content, staged, parts.ALL, "", free)
            fetched = self._lap("fetch_seconds", began)
            parts.check(content, staged, parts.ALL, "")
            self._records(content, staged)
            checked = self._lap("check_seconds", fetched)
            self._indices(content, staged)
            self._lap("index_seconds", checked)
            self.figures["rto_seconds"] = round(time.monotonic() - began, 1)
        finally:
            self.node.sweep()

    def _records(self, content: parts.Content, staged: Path) -> None:
        """Check that ledger and release suffice to rebuild a deployment, whose secrets are made anew."""
        work = staged / parts.WORK.lstrip("/")
        ledger = facts(parts.ledger_of(staged))
        missing = [name for name in RELEASE_FILES if not (work / "release" / name).is_file()]
        if missing:
            raise DrillError(f"the backup's release lacks {', '.join(missing)}")
        files = content.manifest["files"]
        self.figures |= {
            "documents": ledger.documents,
            "files": len(files),
            "bytes": sum(int(one["size"]) for one in files),
        }

    def _indices(self, content: parts.Content, staged: Path) -> None:
        """Check every document of every index, and the golden queries."""
        self.figures |= {"indices": len(content.indices), "chunks": 0, "golden": 0}
        if not content.indices:
            return
        with self.node.started(parts.repository_of(staged)) as node:
            node.open_copy("/snapshots")
            found, wrong = {}, []
            for name in content.indices:
                node.bring(snapshot_name(content.backup.id), name, name)
                node.without_pipeline(name)
                found[name] = manifests.read_index(node, name)
                manifest = content.of_index(name)
                wrong += manifests.compare_indices(manifest, found)
                wrong += manifests.compare_golden(manifest, node, name)
            if wrong:
                raise DrillError(
                    f"the restored index does not match the manifest: {manifests.summary(wrong)}"
                )
        self.figures["chunks"] = sum(int(one["documents"]) for one in found.values())
        self.figures["golden"] = len(content.manifest["golden"])

    def _lap(self, name: str, since: float) -> float:
        now = time.monotonic()
        self.figures[name] = round(now - since, 1)
        return now


def ended(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal by an exception, so that the drill cleans up before it ends."""
    raise EndedError


def main() -> None:
    """Run the drill."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project", "repository")
        | {
            "wanted": {"type": "str", "default": "latest"},
            "memory_mib": {"type": "int", "default": 1024},
            "promised": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    signal.signal(signal.SIGTERM, ended)
    signal.signal(signal.SIGHUP, ended)
    signal.signal(signal.SIGINT, ended)
    drill: Drill | None = None
    try:
        drill = Drill(module.params)
        if module.check_mode and module.params["promised"] and not backups_of(drill.repository):
            reported = "would verify the backup that this run makes; there is none yet"
            module.exit_json(changed=False, figures={}, swept=[], outcome=reported)
        if module.check_mode:
            content = drill.choose()
            text = f"would fetch {readable(content.backup.size)} of {content.backup.id} and compare it"
            module.exit_json(changed=False, figures=drill.figures, swept=[], outcome=text)
        drill.run()
        module.exit_json(changed=True, figures=drill.figures, swept=drill.swept)
    except EndedError:
        reason = "The drill was stopped before it had verified the backup. What it had made is removed."
        module.fail_json(msg=reason, figures=drill.figures if drill else {})
    except (DrillError, *FAILURES) as error:
        figures = drill.figures if drill else {}
        name = figures.get("backup", "the newest backup")
        module.fail_json(msg=f"The drill of {name} failed: {error}", figures=figures)


if __name__ == "__main__":
    main()
