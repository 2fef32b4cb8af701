"""An OpenSearch node for a restore: the stack's own, as its administrator, or a throwaway one."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from ansible_collections.ragdock.host.plugins.module_utils.backup.snapshots import Search
from ansible_collections.ragdock.host.plugins.module_utils.https import Json
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import SearchError

LONG_SECONDS = 3600.0
REPOSITORY = "ragdock-restore"
# What a restore adds to an index's name.
SUFFIX = re.compile(r"-r\d{8}t\d{6}z\Z")


class Node(Search):
    """The requests of a restore, in addition to those of a backup."""

    def ready(self, timeout: float) -> None:
        """Wait until the node serves requests."""
        until = time.monotonic() + timeout
        while True:
            try:
                self.ask("GET", "/_cluster/health", seconds=10)
                return
            except SearchError as error:
                if time.monotonic() > until:
                    raise SearchError(f"OpenSearch was not ready within {timeout:.0f} s: {error}") from error
            time.sleep(1)

    def exists(self, index: str) -> bool:
        """Whether there is an index of exactly this name."""
        rows = self.ask("GET", f"/_cat/indices/{quote(index)}?h=index&format=json", absent={})
        return any(row.get("index") == index for row in rows.get("value", []))

    def behind(self, alias: str) -> list[str]:
        """Indices behind an alias; an index with the alias's own name counts too."""
        found = sorted(self.ask("GET", f"/_alias/{quote(alias)}", absent={}))
        named = [name for name in found if name not in ("error", "status")]
        return named or ([alias] if self.exists(alias) else [])

    def delete(self, indices: Iterable[str]) -> None:
        """Remove indices; missing ones are not an error."""
        for index in indices:
            self.ask("DELETE", f"/{quote(index)}", absent={})

    def forget_documents(self, index: str, documents: Iterable[str]) -> None:
        """Remove every chunk of these documents."""
        ids = list(documents)
        if ids:
            path = f"/{quote(index)}/_delete_by_query?refresh=true&conflicts=proceed"
            self.ask("POST", path, {"query": {"terms": {"document_id": ids}}}, seconds=LONG_SECONDS)

    def switch(self, alias: str, new: str | None, old: Iterable[str]) -> None:
        """Point an alias at another index, atomically."""
        actions: list[Json] = [
            # An index with the alias's own name (created automatically) is removed; its twin already exists.
            {"remove_index": {"index": index}}
            if index == alias
            else {"remove": {"index": index, "alias": alias, "must_exist": False}}
            for index in old
        ]
        if new is not None:
            actions.append({"add": {"index": new, "alias": alias, "is_write_index": True}})
        if actions:
            self.ask("POST", "/_aliases", {"actions": actions})

    def twin(self, index: str, name: str) -> None:
        """Clone an index under another name; the segments are hard-linked, so it costs no space."""
        if self.exists(name):
            return
        self.ask("PUT", f"/{quote(index)}/_settings", {"index.blocks.write": True})
        self.ask("PUT", f"/{quote(index)}/_clone/{quote(name)}", {}, seconds=LONG_SECONDS)
        self.ask("GET", f"/_cluster/health/{quote(name)}?wait_for_status=yellow&timeout=120s", seconds=150)
        for one in (index, name):
            self.ask("PUT", f"/{quote(one)}/_settings", {"index.blocks.write": None})

    def pipeline_of(self, index: str) -> str:
        """The search pipeline that an index names but that does not exist; empty if there is none."""
        found: dict[str, Any] = self.ask("GET", f"/{quote(index)}/_settings")
        settings = next(iter(found.values()))["settings"]["index"]
        name = str(settings.get("search", {}).get("default_pipeline", ""))
        there = self.ask("GET", "/_search/pipeline", absent={}) if name else {}
        return "" if name in there else name

    def without_pipeline(self, index: str) -> None:
        """Make an index searchable without its search pipeline: golden queries use none."""
        self.ask("PUT", f"/{quote(index)}/_settings", {"index.search.default_pipeline": "_none"})

    def open_copy(self, place: str) -> None:
        """Open a restored repository beside the live one, for reading only."""
        body = {"type": "fs", "settings": {"location": place, "readonly": True}}
        self.ask("PUT", f"/_snapshot/{REPOSITORY}?verify=false", body, seconds=120)

    def close_copy(self) -> None:
        """Close it again."""
        self.ask("DELETE", f"/_snapshot/{REPOSITORY}", absent={}, seconds=120)

    def bring(self, snapshot: str, index: str, name: str) -> None:
        """Restore one index of a snapshot under another name; raise unless it is complete."""
        found = self.restore(snapshot, [index], ("^.+$", name), LONG_SECONDS, REPOSITORY)
        shards = found["shards"]
        if not shards["total"] or shards["successful"] != shards["total"]:
            raise SearchError(f"the snapshot of {index} is not whole: {json.dumps(shards)}")


def new_name(index: str, moment: str) -> str:
    """The name under which an index is restored: its own and the time; never one that exists."""
    return f"{SUFFIX.sub('', index)}-r{moment.lower()}"
