"""What a backup contains, as JSON: made from the source, compared with what was restored.

index checksum   sha256 over the lines "<_id> <sha256 of the document>", sorted
golden queries   the best hits by number of words found; ties by document and ordinal. Unlike BM25's,
                 this order depends only on the documents, not on what else was once in the index.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.backup.snapshots import Search

Json = dict[str, Any]
# Primary term and sequence number of a document's last write, and its content hash.
Known = tuple[int, int, str]
PAGE = 1000
FORMAT = 1
LEDGER = "ledger.sqlite3"
BLOCK = 1 << 20
GOLDEN_HITS = 5
GOLDEN_WORDS = 8
# Differences that a message names before it only counts them.
NAMED = 8


class ManifestError(Exception):
    """A manifest cannot be read or does not match. The text says why."""


def content_hash(source: Mapping[str, Any]) -> str:
    """The identity of a document's content."""
    text = json.dumps(source, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def turn_of(name: str, days: int) -> int:
    """In which night of a round a document is read again."""
    return int(content_hash({"id": name})[:8], 16) % days


def checksum(hashes: Mapping[str, str]) -> str:
    """The identity of an index: id -> content hash of every document."""
    digest = hashlib.sha256()
    for name in sorted(hashes):
        digest.update(f"{name} {hashes[name]}\n".encode())
    return digest.hexdigest()


def document_hashes(search: Search, pit: str) -> dict[str, str]:
    """Read every document of a frozen view; return id -> content hash."""
    return {hit["_id"]: content_hash(hit["_source"]) for hit in search.documents(pit)}


def _read_some(search: Search, pit: str, names: Sequence[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for start in range(0, len(names), PAGE):
        body = {"size": PAGE, "query": {"ids": {"values": names[start : start + PAGE]}}}
        found |= {hit["_id"]: content_hash(hit["_source"]) for hit in search.hits(body, pit=pit)}
    return found


def remembered_hashes(
    search: Search, pit: str, known: Mapping[str, Known], again: Callable[[str], bool]
) -> dict[str, Known]:
    """Id -> state and content hash of every document; reads only those written since they were `known`.

    New documents are read twice, and of the others those that `again` selects are read once more. A document
    that differs although nothing wrote it is a fault of the source, and a backup of it does not count.
    """
    states = {
        hit["_id"]: (int(hit["_primary_term"]), int(hit["_seq_no"]))
        for hit in search.documents(pit, source=False)
    }
    kept = {name: known[name] for name, state in states.items() if name in known and known[name][:2] == state}
    fresh = sorted(set(states) - set(kept))
    read = _read_some(search, pit, fresh)
    checked = sorted([*fresh, *(name for name in kept if again(name))])
    second = _read_some(search, pit, checked)
    found = kept | {name: (*states[name], value) for name, value in read.items()}
    wrong = [name for name in states if name not in found]
    wrong += [name for name in checked if name in found and second.get(name) != found[name][2]]
    if wrong:
        raise ManifestError(
            f"{len(wrong)} documents of the index read differently a second time, among them "
            f"{', '.join(sorted(wrong)[:3])}, although nothing changed them"
        )
    return found


def describe_index(search: Search, index: str, aliases: Sequence[str], hashes: Mapping[str, str]) -> Json:
    """One index, as the manifest describes it."""
    return {
        "alias": aliases[0] if aliases else "",
        "documents": len(hashes),
        "checksum": checksum(hashes),
        "mappings_meta": search.meta(index),
    }


def read_index(search: Search, index: str, aliases: Sequence[str] = ()) -> Json:
    """Describe a restored index; reads every document."""
    search.refresh(index)
    with search.frozen(index) as pit:
        return describe_index(search, index, aliases, document_hashes(search, pit))


# --- golden queries ------------------------------------------------------------------------------


def golden_body(query: str) -> Json:
    """The search body of a golden query: each word found scores one."""
    words = list(dict.fromkeys(query.split()))[: 2 * GOLDEN_WORDS]
    return {
        "size": GOLDEN_HITS,
        "_source": False,
        "track_total_hits": False,
        "sort": [{"_score": "desc"}, {"document_id": "asc"}, {"ordinal": "asc"}],
        "query": {
            "bool": {
                "minimum_should_match": 1,
                "should": [
                    {"constant_score": {"filter": {"match": {"text": word}}, "boost": 1}} for word in words
                ],
            }
        },
    }


def golden_hits(search: Search, query: str, *, pit: str = "", index: str = "") -> list[str]:
    """The ids that a golden query finds, best first."""
    return [hit["_id"] for hit in search.hits(golden_body(query), pit=pit, index=index)]


def golden_queries(
    search: Search, pit: str, hashes: Mapping[str, str], queries: Sequence[str], count: int
) -> list[str]:
    """The operator's own queries, and the first words of documents spread evenly over the index."""
    ids = sorted(hashes)
    chosen = sorted({ids[at * len(ids) // count] for at in range(count)}) if ids else []
    found = {
        hit["_id"]: " ".join(str(hit["_source"].get("text", "")).split()[:GOLDEN_WORDS])
        for hit in (
            search.hits({"size": count, "query": {"ids": {"values": chosen}}}, pit=pit) if chosen else []
        )
    }
    return [*dict.fromkeys([*queries, *(found[name] for name in chosen if found.get(name))])]


# --- files ---------------------------------------------------------------------------------------


def hash_file(path: Path) -> str:
    """sha256 of a file's content."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def files_below(root: Path) -> Iterator[Path]:
    """Every regular file below a directory, sorted; links are not followed."""
    for path in sorted(root.rglob("*")):
        if path.is_file() and not path.is_symlink():
            yield path


def compare_files(entries: Iterable[Mapping[str, Any]], root: Path = Path("/")) -> list[str]:
    """What differs between the manifest's files and those below another root."""
    wrong = []
    for entry in entries:
        path = root / str(entry["path"]).lstrip("/")
        if not path.is_file():
            wrong.append(f"{entry['path']} is missing")
        elif path.stat().st_size != entry["size"]:
            wrong.append(f"{entry['path']} has {path.stat().st_size} bytes, not {entry['size']}")
        elif hash_file(path) != entry["sha256"]:
            wrong.append(f"{entry['path']} has another content")
    return wrong


# --- the whole -----------------------------------------------------------------------------------


def write(manifest: Mapping[str, Any]) -> str:
    """A manifest as text."""
    return json.dumps({"format": FORMAT, **manifest}, indent=1, sort_keys=True) + "\n"


def read(text: str) -> Json:
    """A manifest from text."""
    try:
        found: Json = json.loads(text)
    except ValueError as error:
        raise ManifestError(f"the manifest is not JSON: {error}") from error
    if found.get("format") != FORMAT:
        raise ManifestError(
            f"the manifest has format {found.get('format')!r}, this release reads {FORMAT}: "
            "restore with the release that made the backup (its tag names it)"
        )
    return found


def compare_indices(manifest: Mapping[str, Any], found: Mapping[str, Json]) -> list[str]:
    """What differs between the manifest's indices and others, by the manifest's names."""
    wrong = []
    for name, expected in manifest["indices"].items():
        other = found.get(name)
        if other is None:
            wrong.append(f"index {name} is missing")
            continue
        for key, what in (
            ("documents", "documents"),
            ("checksum", "checksum"),
            ("mappings_meta", "embedding contract"),
        ):
            if other[key] != expected[key]:
                wrong.append(f"index {name}: {what} is {other[key]}, the manifest says {expected[key]}")
    return wrong


def compare_golden(manifest: Mapping[str, Any], search: Search, index: str) -> list[str]:
    """Golden queries whose hits differ now."""
    wrong = []
    for one in manifest["golden"]:
        hits = golden_hits(search, one["query"], index=index)
        if hits != one["hits"]:
            wrong.append(f"the query '{one['query']}' finds {hits[:2]}, the manifest says {one['hits'][:2]}")
    return wrong


def summary(differences: Sequence[str]) -> str:
    """Differences in one line."""
    more = f" and {len(differences) - NAMED} more" if len(differences) > NAMED else ""
    return "; ".join(differences[:NAMED]) + more
