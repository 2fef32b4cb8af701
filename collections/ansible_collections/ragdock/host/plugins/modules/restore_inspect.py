#!/usr/bin/python
"""Ansible module: lists backups, chooses one, and checks whether it can be restored here; read-only."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: restore_inspect
short_description: Lists backups, and checks whether one can be restored here
description:
  - Reads the repository and the host; changes nothing.
  - C(refusals) says why the chosen backup cannot be restored; empty when it can.
options:
  wanted: {description: "An id, a time, or latest.", type: str, default: latest}
  scope:
    description: What to restore; empty to list only.
    type: str
    default: ""
    choices: ["", all, index, analytics, documents, file]
  file: {description: The file of scope file., type: str, default: ""}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
  - ragdock.host.arguments.repository
  - ragdock.host.arguments.opensearch
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: List the backups
  ragdock.host.restore_inspect:
    repository: s3:https://s3.eu-central-1.amazonaws.com/bucket/backup
    password: "{{ secrets.restic_password }}"
    ca: "{{ secrets.opensearch_ca_cert }}"
    admin_cert: "{{ secrets.opensearch_admin_cert }}"
    admin_key: "{{ secrets.opensearch_admin_key }}"
"""

RETURN = r"""
rows: {description: A row for each backup., type: list, returned: success}
backup: {description: The chosen backup's id., type: str, returned: with a scope}
about: {description: Its content., type: dict, returned: with a scope}
refusals: {description: Why it cannot be restored here., type: list, returned: with a scope}
holds: {description: Documents on the host now., type: int, returned: with a scope}
differing: {description: What would change., type: dict, returned: with a scope}
"""

import datetime as dt
import json
import shutil
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.backup import manifests
from ansible_collections.ragdock.host.plugins.module_utils.backup.catalog import last_drills
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError, address, serving
from ansible_collections.ragdock.host.plugins.module_utils.jobs import read_history
from ansible_collections.ragdock.host.plugins.module_utils.ledger import LedgerError, facts
from ansible_collections.ragdock.host.plugins.module_utils.ollama import Ollama, OllamaError
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Store
from ansible_collections.ragdock.host.plugins.module_utils.remote import identities
from ansible_collections.ragdock.host.plugins.module_utils.restic import ResticError
from ansible_collections.ragdock.host.plugins.module_utils.restore import content as parts
from ansible_collections.ragdock.host.plugins.module_utils.restore.backups import (
    NoSuchBackupError,
    backups_of,
    chosen,
    rows,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.compatibility import (
    embedder_refusal,
    ledger_refusal,
    version_refusal,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.node import Node
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import parse_env


class Inspection:
    """One inspection. Each part returns the reasons against the restore."""

    def __init__(self, module: AnsibleModule) -> None:
        self.params: dict[str, Any] = module.params
        self.run = module.run_command
        self.root = Path(self.params["root"])
        self.repository = parts.repository(
            self.params["repository"], self.params["password"], self.params["region"], self.root
        )

    def all(self) -> dict[str, Any]:
        """The result of all parts."""
        known = backups_of(self.repository)
        table = rows(known, last_drills(read_history(self.root, "drill")))
        if not self.params["scope"]:
            return {"rows": table}
        backup = chosen(known, self.params["wanted"], dt.datetime.now(dt.UTC))
        content = parts.load(self.repository, backup)
        scope, file = self.params["scope"], self.params["file"]
        holds = self.documents()
        return {
            "rows": table,
            "backup": backup.id,
            "about": self.about(content),
            "refusals": self.refusals(content, scope, file),
            "holds": holds,
            "differing": self.differing(content, scope, file),
        }

    def documents(self) -> int:
        """Documents that the host has now."""
        ledger = self.root / "data" / "ledger" / parts.LEDGER
        return facts(ledger).documents if ledger.is_file() else 0

    @staticmethod
    def about(content: parts.Content) -> dict[str, Any]:
        """The backup in figures."""
        return {
            "made": f"{content.backup.time:%Y-%m-%d %H:%M:%S} UTC",
            "release": content.backup.release,
            "files": len(content.manifest["files"]),
            "documents": content.documents,
            "chunks": sum(int(one["documents"]) for one in content.indices.values()),
            "bytes": content.backup.size,
        }

    def refusals(self, content: parts.Content, scope: str, file: str) -> list[str]:
        """The reasons against the restore, each with what to do."""
        content.files(scope, file)
        if Store(self.root).current() is None:
            return [
                "Nothing serves on this host, so nothing can be restored into it. Run playbooks/deploy.yml."
            ]
        found = []
        if (
            self.params["wanted"] in ("latest", "newest", "")
            and not content.documents
            and not content.indices
        ):
            found.append(
                f"The newest backup, {content.backup.id}, contains no documents. To restore it, name it: "
                f"-e backup={content.backup.id}. Other backups: playbooks/restore.yml -e list=true"
            )
        found.append(
            parts.room_refusal(content.size(scope, file, 0), shutil.disk_usage(self.root).free, self.root)
        )
        versions = content.manifest.get("versions", {})
        ledger = self.root / "data" / "ledger" / parts.LEDGER
        if scope != parts.ANALYTICS and ledger.is_file():
            found.append(ledger_refusal(int(versions.get("ledger", 0)), facts(ledger).version))
        if scope in (parts.ALL, parts.INDEX) and content.indices:
            keys = (self.params[key] for key in ("ca", "admin_cert", "admin_key"))
            node = Node.as_admin(self.run, self.params["project"], *keys)
            node.ready(120)
            found.append(version_refusal(str(versions.get("opensearch", "")), node.version()))
            found += self.embedders(content)
        return [text for text in found if text]

    def embedders(self, content: parts.Content) -> list[str]:
        """Whether the running embedder is the one that made the backup's vectors."""
        release = Store(self.root).current()
        env = dict(parse_env(release.files().get(".env", "") if release else ""))
        name = env.get("EMBEDDING_MODEL_NAME", "")
        contracts = [dict(one["mappings_meta"]).get("embedding", {}) for one in content.indices.values()]
        weights = identities(json.loads(env.get("REMOTE_MODELS") or "[]")).get(name, "")
        if not weights:
            ollama = Ollama(address(serving(self.run, self.params["project"], "ollama")))
            weights = ollama.weights(name)
        return [embedder_refusal(contract, name, weights) for contract in contracts]

    def differing(self, content: parts.Content, scope: str, file: str) -> dict[str, Any]:
        """Files that would be replaced, added or moved aside."""
        files = content.files(scope, file)
        live = self.root / "data"
        changed = [
            path for path, entry in files.items() if manifests.compare_files([{**entry, "path": path}], live)
        ]
        here = {f"raw/{path.relative_to(live / 'raw')}" for path in manifests.files_below(live / "raw")}
        return {
            "brought": sorted(path for path in changed if not (live / path).exists()),
            "replaced": sorted(path for path in changed if (live / path).exists()),
            "aside": sorted(here - set(files)) if scope == parts.ALL else [],
            "indices": sorted(content.indices) if scope in (parts.ALL, parts.INDEX) else [],
        }


def main() -> None:
    """Run the inspection."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project", "repository", "opensearch")
        | {
            "wanted": {"type": "str", "default": "latest"},
            "scope": {"type": "str", "default": "", "choices": ["", *parts.SCOPES]},
            "file": {"type": "str", "default": ""},
        },
        supports_check_mode=True,
    )
    try:
        module.exit_json(changed=False, **Inspection(module).all())
    except (
        ResticError,
        NoSuchBackupError,
        parts.ContentError,
        manifests.ManifestError,
        LedgerError,
        SearchError,
        EngineError,
        OllamaError,
        OSError,
    ) as error:
        module.fail_json(msg=f"{error} Nothing was changed.")


if __name__ == "__main__":
    main()
