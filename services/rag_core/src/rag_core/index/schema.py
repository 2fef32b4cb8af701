"""What the index looks like, and the queries that ask it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from rag_core.index import analysis
from rag_core.index.embed import Contract
from rag_core.models import Frozen
from rag_core.text.words import identifiers, without_stop_words

# The release before fuses in OpenSearch, by the index's own pipeline: after a rollback it asks this index.
PIPELINE = "rag-rrf"
# Fields that a later version of the mapping brought (embed.MAPPING_VERSION): until all documents are in a new
# index, an older one takes new documents.
_SINCE = {"name": 2}
# What is spelled nearly so, or holds the word as a part, never outweighs what holds the word itself.
_PART_BOOST = 3.0
_FUZZY_BOOST = 0.5
_FEW = 3  # chunks that hold a word which is looked for as a part of others as well
_SPELLED = 4  # letters from which on a word is looked for by its spelling


def pipeline() -> dict[str, Any]:
    """Reciprocal rank fusion of a hybrid query; other queries pass through it unchanged."""
    return {
        "description": "Reciprocal rank fusion of BM25 and k-NN",
        "phase_results_processors": [
            {"score-ranker-processor": {"combination": {"technique": "rrf", "rank_constant": 60}}}
        ],
    }


class Akin(Frozen):
    """A word of a question that few chunks hold, or none."""

    word: str
    unknown: bool  # no chunk holds it: it may be a typing error


def index(contract: Contract, alias: str) -> dict[str, Any]:
    """Settings, mapping and alias of a new index.

    Text is analysed as words, and as identifiers cut at blanks, brackets and quotes, so that `read.table`,
    `--no-keep-cr` or `/etc/fstab` is found as it is written.
    """
    text = analysis.text_field()
    return {
        "aliases": {alias: {"is_write_index": True}},
        "settings": {
            "index": {
                "knn": True,
                "number_of_shards": 1,
                "number_of_replicas": 0,
                "refresh_interval": "30s",  # a document is refreshed once, when it is whole
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
    """What of a chunk an index of this mapping version takes; it refuses fields that it does not know."""
    return {field: value for field, value in source.items() if _SINCE.get(field, 1) <= mapping}


def lexical(query: str, only: list[str] | None, akin: Sequence[Akin] = ()) -> dict[str, Any]:
    """BM25 over words and identifiers, in headings and text; stop words of a question weigh nothing.

    `akin` are words of the question that hardly a chunk holds: what is spelled nearly so, or holds them
    as a part, counts a little.
    """
    fields = ["text", "title", "text.identifiers^1.5", "title.identifiers", "text.thai", "title.thai"]
    content = without_stop_words(query)
    if not akin:
        return _match(content, fields, only)
    clauses = _match(content, fields, None)["bool"]["must"]
    near = [clause for one in akin for clause in _akin(one)]
    return {"bool": {"should": [*clauses, *near], "minimum_should_match": 1, **_filter(only)}}


def akin(held: Mapping[str, int]) -> list[Akin]:
    """Which of the counted words are worth a look by their spelling: those that few chunks hold."""
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
    """The first chunk of each document whose name shares words with the question."""
    filters: list[dict[str, Any]] = [{"term": {"ordinal": 0}}, *_filter(only).get("filter", [])]
    return {"bool": {"must": [{"match": {"name": query}}], "filter": filters}}


def beginning(document_ids: Collection[str]) -> dict[str, Any]:
    """The chunks of these documents, for a reader who begins at the beginning."""
    return {"bool": {"filter": [{"terms": {"document_id": sorted(document_ids)}}]}}


def exact(query: str, only: list[str] | None) -> dict[str, Any] | None:
    """BM25 over the identifiers of the question alone, as they are written; None when it names none.

    A vote of its own in the fusion: a vector knows nothing of `--no-owner`, and the words of an option
    (`no`, `owner`) stand everywhere.
    """
    named = identifiers(query)
    return _match(" ".join(named), ["text.identifiers", "title.identifiers^1.2"], only) if named else None


def _match(query: str, fields: list[str], only: list[str] | None) -> dict[str, Any]:
    match: dict[str, Any] = {"multi_match": {"query": query, "fields": fields, "type": "most_fields"}}
    return {"bool": {"must": [match], **_filter(only)}}


def nearest(vector: list[float], k: int, only: list[str] | None) -> dict[str, Any]:
    """The k nearest chunks by cosine."""
    knn: dict[str, Any] = {"vector": vector, "k": k}
    if only is not None:
        knn["filter"] = {"terms": {"document_id": only}}
    return {"knn": {"vector": knn}}


def holding(words: Collection[str], only: list[str] | None) -> dict[str, Any]:
    """How many chunks hold each of these words, in either analysis."""
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
