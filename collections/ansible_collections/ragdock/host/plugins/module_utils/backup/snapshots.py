"""OpenSearch as a backup sees it: its indices, a frozen view of them, and snapshots of them."""

from __future__ import annotations

import contextlib
import json
import time
import urllib.parse
from collections.abc import Callable, Iterator

from ansible_collections.ragdock.host.plugins.module_utils.https import Json
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import OpenSearch, SearchError

SLOW_SECONDS = 300.0
PAGE = 1000
KEEP_ALIVE = "30m"
REPOSITORY = "ragdock"
# Where the container sees /opt/ragdock/snapshots: path.repo of its configuration.
PLACE = "/snapshots"
PREFIX = "backup-"
# A shard in one of these stages has not started: its content is not fixed yet.
UNDECIDED = ("INIT", "NONE")


def snapshot_name(backup_id: str) -> str:
    """The snapshot that belongs to a backup."""
    return f"{PREFIX}{backup_id.lower()}"


class Search(OpenSearch):
    """The requests of a backup."""

    # --- indices ---------------------------------------------------------------------------------

    def indices(self, pattern: str) -> dict[str, list[str]]:
        """Index -> its aliases, of all open indices with a matching name."""
        quoted = urllib.parse.quote(pattern, safe="*,-")
        found = self.ask("GET", f"/{quoted}/_alias?expand_wildcards=open", absent={})
        return {name: sorted(one.get("aliases", {})) for name, one in sorted(found.items())}

    def serving(self, pattern: str) -> dict[str, list[str]]:
        """Index -> its aliases, of the indices that have one: those that a backup contains.

        An index without an alias is a copy that a restore keeps so that it can be undone, or one that the
        worker is filling and can fill again from the documents.
        """
        return {name: aliases for name, aliases in self.indices(pattern).items() if aliases}

    def meta(self, index: str) -> Json:
        """`_meta` of an index's mapping: the embedding contract."""
        found = self.ask("GET", f"/{index}/_mapping")
        return dict(next(iter(found.values()))["mappings"].get("_meta", {}))

    def refresh(self, index: str) -> None:
        """Make everything written searchable."""
        self.ask("POST", f"/{index}/_refresh", seconds=SLOW_SECONDS)

    def identity(self, index: str) -> str:
        """The index's UUID, which differs from that of a new index with the same name."""
        return str(self.ask("GET", f"/{index}/_stats/docs")["indices"][index]["uuid"])

    def version(self) -> str:
        """The version of OpenSearch."""
        return str(self.ask("GET", "/")["version"]["number"])

    def sequence(self, index: str) -> tuple[int, ...]:
        """A number for each shard that grows with every write and delete."""
        shards = self.ask("GET", f"/{index}/_stats/docs?level=shards")["indices"]
        return tuple(
            copy["seq_no"]["max_seq_no"]
            for name in sorted(shards)
            for _unused, copies in sorted(shards[name]["shards"].items())
            for copy in copies
            if copy["routing"]["primary"]
        )

    def segments(self, index: str) -> dict[str, int]:
        """Segment -> bytes, of the primaries; a segment never changes, and its name is not used again."""
        found = self.ask("GET", f"/{index}/_segments").get("indices", {})
        return {
            f"{name}/{shard}/{segment}": int(one["size_in_bytes"])
            for name, value in found.items()
            for shard, copies in value["shards"].items()
            for copy in copies
            if copy["routing"]["primary"]
            for segment, one in copy["segments"].items()
        }

    # --- a frozen view ---------------------------------------------------------------------------

    @contextlib.contextmanager
    def frozen(self, index: str) -> Iterator[str]:
        """The id of a view of an index as it is now, unaffected by later writes."""
        pit = self.ask("POST", f"/{index}/_search/point_in_time?keep_alive={KEEP_ALIVE}")["pit_id"]
        try:
            yield str(pit)
        finally:
            # A view that cannot be closed uses disk space until it expires.
            with contextlib.suppress(SearchError):
                self.ask("DELETE", "/_search/point_in_time", {"pit_id": [pit]})

    def hits(self, body: Json, *, pit: str = "", index: str = "") -> list[Json]:
        """The hits of one search, in a frozen view or in an index."""
        # The index's own pipeline fuses hybrid searches; these searches are not hybrid.
        if pit:
            found = self.ask(
                "POST",
                "/_search",
                body | {"pit": {"id": pit, "keep_alive": KEEP_ALIVE}},
                seconds=SLOW_SECONDS,
            )
        else:
            found = self.ask("POST", f"/{index}/_search?search_pipeline=_none", body, seconds=SLOW_SECONDS)
        if found.get("timed_out") or found["_shards"]["failed"]:
            raise SearchError(f"a search did not reach every shard: {json.dumps(found['_shards'])[:300]}")
        return list(found["hits"]["hits"])

    def documents(self, pit: str, *, source: bool = True, query: Json | None = None) -> Iterator[Json]:
        """Every document of a frozen view, in no order; without their text when `source` is false."""
        body: Json = {
            "size": PAGE if source else 10 * PAGE,
            "_source": source,
            "seq_no_primary_term": True,
            "sort": [{"_seq_no": "asc"}, {"document_id": "asc"}],
            "track_total_hits": False,
            "query": query or {"match_all": {}},
        }
        while hits := self.hits(body, pit=pit):
            yield from hits
            body["search_after"] = hits[-1]["sort"]

    # --- snapshots -------------------------------------------------------------------------------

    def register(self, repository: str = REPOSITORY, place: str = PLACE, *, dry: bool = False) -> bool:
        """Make sure that the repository exists and is writable; return whether it had to be made."""
        body = {"type": "fs", "settings": {"location": place, "compress": "true"}}
        found = self.ask("GET", f"/_snapshot/{repository}", absent={}).get(repository, {})
        same = found.get("type") == "fs" and found.get("settings") == body["settings"]
        if dry:
            return not same
        if not same:
            self.ask("PUT", f"/_snapshot/{repository}", body, seconds=SLOW_SECONDS)
        self.ask("POST", f"/_snapshot/{repository}/_verify", seconds=SLOW_SECONDS)
        return not same

    def snapshots(self, repository: str = REPOSITORY) -> dict[str, str]:
        """Snapshot -> its state, oldest first."""
        found = self.ask(
            "GET", f"/_snapshot/{repository}/_all?ignore_unavailable=true", absent={}, seconds=SLOW_SECONDS
        )
        listed = sorted(found.get("snapshots", []), key=lambda one: one.get("start_time_in_millis", 0))
        return {one["snapshot"]: one["state"] for one in listed}

    def begin(self, name: str, indices: list[str], repository: str = REPOSITORY) -> None:
        """Begin a snapshot of exactly these indices."""
        body = {
            "indices": indices,
            "include_global_state": False,
            "partial": False,
            "ignore_unavailable": False,
        }
        self.ask(
            "PUT", f"/_snapshot/{repository}/{name}?wait_for_completion=false", body, seconds=SLOW_SECONDS
        )

    def status(self, name: str, repository: str = REPOSITORY) -> Json:
        """How far a snapshot is."""
        return dict(
            self.ask("GET", f"/_snapshot/{repository}/{name}/_status", seconds=SLOW_SECONDS)["snapshots"][0]
        )

    def decided(self, name: str, repository: str = REPOSITORY) -> bool:
        """Whether every shard's commit is fixed, so that later writes do not enter the snapshot."""
        status = self.status(name, repository)
        stages = [
            shard["stage"] for index in status["indices"].values() for shard in index["shards"].values()
        ]
        ended = status["state"] in ("SUCCESS", "FAILED")
        return ended or (bool(stages) and not set(stages) & set(UNDECIDED))

    def outcome(self, name: str, repository: str = REPOSITORY) -> Json:
        """The result of a snapshot: state, shards, failures."""
        return dict(self.ask("GET", f"/_snapshot/{repository}/{name}", seconds=SLOW_SECONDS)["snapshots"][0])

    def finished(self, name: str, seconds: float, repository: str = REPOSITORY) -> Json:
        """Wait for the end of a snapshot; raise unless it is complete."""
        end = time.monotonic() + seconds
        while (found := self.outcome(name, repository))["state"] == "IN_PROGRESS":
            if time.monotonic() > end:
                raise SearchError(f"snapshot {name} did not end within {seconds:.0f} s")
            time.sleep(0.5)
        if found["state"] != "SUCCESS" or found["shards"]["failed"]:
            reason = json.dumps(found.get("failures") or found.get("reason") or "no reason given")
            raise SearchError(
                f"snapshot {name} ended as {found['state']} with {found['shards']['failed']} of "
                f"{found['shards']['total']} shards failed: {reason[:400]}"
            )
        return found

    def forget(self, name: str, repository: str = REPOSITORY) -> None:
        """Delete a snapshot, or stop the one that is being made; a missing one is not an error."""
        self.ask("DELETE", f"/_snapshot/{repository}/{name}", seconds=SLOW_SECONDS, absent={})

    def tidy(self, repository: str = REPOSITORY) -> int:
        """Remove what no snapshot needs; return the number of bytes freed."""
        found = self.ask("POST", f"/_snapshot/{repository}/_cleanup", seconds=SLOW_SECONDS)
        return int(found.get("results", {}).get("deleted_bytes", 0))

    def restore(
        self,
        name: str,
        indices: list[str],
        rename: tuple[str, str],
        seconds: float,
        repository: str = REPOSITORY,
    ) -> Json:
        """Restore indices under other names, without their aliases; needs more rights than a backup has."""
        body = {
            "indices": indices,
            "include_global_state": False,
            "include_aliases": False,
            "partial": False,
            "rename_pattern": rename[0],
            "rename_replacement": rename[1],
        }
        path = f"/_snapshot/{repository}/{name}/_restore?wait_for_completion=true"
        found = self.ask("POST", path, body, seconds=seconds)["snapshot"]
        if found["shards"]["failed"]:
            raise SearchError(
                f"restoring {name} failed for {found['shards']['failed']} shards: {json.dumps(found)[:400]}"
            )
        return dict(found)


def until(good: Callable[[], bool], seconds: float, pause: float = 0.1) -> bool:
    """Wait until GOOD returns true; return whether it did."""
    end = time.monotonic() + seconds
    while not good():
        if time.monotonic() > end:
            return False
        time.sleep(pause)
    return True
