"""The schema of the index, and its queries."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rag_core.index import analysis
from rag_core.index.embed import Contract
from rag_core.models import Frozen
from rag_core.text.words import identifiers, without_stop_words

# The previous release fuses in OpenSearch with the index's pipeline, and uses this index after a rollback.
PIPELINE = "rag-rrf"
# The mapping version (embed.MAPPING_VERSION) that introduced a field: until all documents are in a new index,
# new documents still go into the older one.
_SINCE = {"name": 2}
# A similar spelling, or a word that contains the word as a part, never outweighs the word itself.
_PART_BOOST = 3.0
_FUZZY_BOOST = 0.5
_FEW = 3  # a word in no more chunks than this is also searched as a part of other words
_SPELLED = 4  # least letters of a word that is searched by its spelling


def pipeline() -> dict[str, Any]:
    """Return the pipeline for reciprocal rank fusion of a hybrid query; it leaves other queries unchanged."""
    return {
        "description": "Reciprocal rank fusion of BM25 and k-NN",
        "phase_results_processors": [
            {"score-ranker-processor": {"combination": {"technique": "rrf", "rank_constant": 60}}}
        ],
    }


class Akin(Frozen):
    """A word of a question that few or no chunks contain."""

    word: str
    unknown: bool  # no chunk contains it: it may be a typing error


def index(contract: Contract, alias: str) -> dict[str, Any]:
    """Return the settings, mapping and alias of a new index.

    Text is analysed as words, and as identifiers split at blanks, brackets and quotes, so that `read.table`,
    `--no-keep-cr` or `/etc/fstab` is found as written.
    """
    text = analysis.text_field()
    return {
        "aliases": {alias: {"is_write_index": True}},
        "settings": {
            "index": {
                "knn": True,
                "number_of_shards": 1,
                "number_of_replicas": 0,
                "refresh_interval": "30s",  # a document is refreshed once, when it is complete
                "search.default_pipeline": f"{alias}-{PIPELINE}",
                "analysis": analysis.analysis(),
            }
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": {"embedding": contract.model_dump()},
            "_source": {"excludes": ["vector"]},  # never read back; twice the size of everything else
            "properties": {
                "document_id": {"type": "keyword"},
                "ordinal": {"type": "integer"},
                "kind": {"type": "keyword"},
                "name": analysis.name_field(),
                "title": text,
                "text": text,
                "page_start": {"type": "integer"},
                "page_end": {"type": "integer"},
                "page_marks": {"type": "object", "enabled": False},
                "added": {"type": "date"},
                "vector": {
                    "type": "knn_vector",
                    "dimension": contract.dimension,
                    "method": {
                        "name": "hnsw",
                        "engine": "lucene",
                        "space_type": "cosinesimil",
                        "parameters": {"m": 16, "ef_construction": 128},
                    },
                },
            },
        },
    }


def known(source: dict[str, Any], mapping: int) -> dict[str, Any]:
    """Keep the fields that an index of this mapping version knows; it refuses others."""
    return {field: value for field, value in source.items() if _SINCE.get(field, 1) <= mapping}


def lexical(query: str, only: list[str] | None, akin: Sequence[Akin] = ()) -> dict[str, Any]:
    """Build the BM25 query over words and identifiers, in headings and text, ignoring stop words.

    `akin` are words of the question that hardly any chunk contains: similar spellings, and words that contain
    them as a part, count a little.
    """
    fields = ["text", "title", "text.identifiers^1.5", "title.identifiers", "text.thai", "title.thai"]
    content = without_stop_words(query)
    if not akin:
        return _match(content, fields, only)
    clauses = _match(content, fields, None)["bool"]["must"]
    near = [clause for one in akin for clause in _akin(one)]
    return {"bool": {"should": [*clauses, *near], "minimum_should_match": 1, **_filter(only)}}


def akin(held: Mapping[str, int]) -> list[Akin]:
    """Return the counted words that are worth a search by their spelling: those in few chunks."""
    return [
        Akin(word=word, unknown=chunks == 0)
        for word, chunks in held.items()
        if chunks <= _FEW and len(word) >= _SPELLED and word.isalpha()
    ]


def _akin(akin: Akin) -> list[dict[str, Any]]:
    parts = {"query": akin.word, "minimum_should_match": "3<80%"}
    found: list[dict[str, Any]] = [
        {"constant_score": {"filter": {"match": {f"{field}.parts": parts}}, "boost": _PART_BOOST}}
        for field in ("text", "title")
    ]
    if akin.unknown:
        fuzzy = {"query": akin.word, "fuzziness": "AUTO:4,9", "prefix_length": 1, "max_expansions": 20}
        found.append({"multi_match": {**fuzzy, "fields": ["text", "title"], "boost": _FUZZY_BOOST}})
    return found


def named(query: str, only: list[str] | None) -> dict[str, Any]:
    """Build the query for the first chunk of each document whose name shares words with the question."""
    filters: list[dict[str, Any]] = [{"term": {"ordinal": 0}}, *_filter(only).get("filter", [])]
    return {"bool": {"must": [{"match": {"name": query}}], "filter": filters}}


def beginning(document_ids: Collection[str]) -> dict[str, Any]:
    """Build the query for the chunks of these documents from their beginning."""
    return {"bool": {"filter": [{"terms": {"document_id": sorted(document_ids)}}]}}


def exact(query: str, only: list[str] | None) -> dict[str, Any] | None:
    """Build the BM25 query over the question's identifiers alone, as written; None if it has none.

    It has its own vote in the fusion: a vector knows nothing of `--no-owner`, and the words of an option
    (`no`, `owner`) are everywhere.
    """
    named = identifiers(query)
    return _match(" ".join(named), ["text.identifiers", "title.identifiers^1.2"], only) if named else None


def _match(query: str, fields: list[str], only: list[str] | None) -> dict[str, Any]:
    match: dict[str, Any] = {"multi_match": {"query": query, "fields": fields, "type": "most_fields"}}
    return {"bool": {"must": [match], **_filter(only)}}


def nearest(vector: list[float], k: int, only: list[str] | None) -> dict[str, Any]:
    """Build the query for the k nearest chunks by cosine."""
    knn: dict[str, Any] = {"vector": vector, "k": k}
    if only is not None:
        knn["filter"] = {"terms": {"document_id": only}}
    return {"knn": {"vector": knn}}


def holding(words: Collection[str], only: list[str] | None) -> dict[str, Any]:
    """Build the aggregation that counts the chunks with each of these words, in either analysis."""
    counted = {
        word: {
            "multi_match": {
                "query": word,
                "fields": ["text", "title", "text.identifiers", "title.identifiers", "name"],
                "operator": "and",
            }
        }
        for word in words
    }
    scope: dict[str, Any] = {"query": {"bool": _filter(only)}} if only is not None else {}
    return {**scope, "size": 0, "aggs": {"words": {"filters": {"filters": counted}}}}


def _filter(only: list[str] | None) -> dict[str, Any]:
    return {} if only is None else {"filter": [{"terms": {"document_id": only}}]}
