"""What the index looks like: mapping, analysis, and the pipeline that fuses the two searches."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from rag_core.embed import Contract
from rag_core.words import identifiers, without_stop_words

PIPELINE = "rag-rrf"


def pipeline() -> dict[str, Any]:
    """Reciprocal rank fusion of the lexical and the vector search."""
    return {
        "description": "Reciprocal rank fusion of BM25 and k-NN",
        "phase_results_processors": [
            {"score-ranker-processor": {"combination": {"technique": "rrf", "rank_constant": 60}}}
        ],
    }


def index(contract: Contract, alias: str) -> dict[str, Any]:
    """Settings, mapping and alias of a new index.

    Text is analysed twice: as English words, and as identifiers cut at blanks, brackets and quotes, so that
    `read.table`, `--no-keep-cr` or `/etc/fstab` is found as it is written.
    """
    text = {
        "type": "text",
        "analyzer": "rag_words",
        "fields": {"identifiers": {"type": "text", "analyzer": "rag_identifiers", "norms": False}},
    }
    return {
        "aliases": {alias: {"is_write_index": True}},
        "settings": {
            "index": {
                "knn": True,
                "number_of_shards": 1,
                "number_of_replicas": 0,
                "refresh_interval": "30s",  # a document is refreshed once, when it is whole
                "search.default_pipeline": f"{alias}-{PIPELINE}",
                "analysis": _analysis(),
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


def _analysis() -> dict[str, Any]:
    return {
        "tokenizer": {
            "rag_cut": {"type": "pattern", "pattern": "[\\s,;(){}\\[\\]<>\"'`\u2018\u2019\u201c\u201d|]+"}
        },
        "filter": {
            "rag_ends": {"type": "pattern_replace", "pattern": "^[.:!?=]+|[.:!?=]+$", "replacement": ""},
            "rag_some": {"type": "length", "min": 1, "max": 200},
            "rag_stem": {"type": "stemmer", "language": "english"},
        },
        "analyzer": {
            "rag_words": {
                "type": "custom",
                "tokenizer": "standard",
                "filter": ["lowercase", "asciifolding", "rag_stem"],
            },
            "rag_identifiers": {
                "type": "custom",
                "tokenizer": "rag_cut",
                "filter": ["lowercase", "rag_ends", "rag_some"],
            },
        },
    }


def lexical(query: str, only: list[str] | None) -> dict[str, Any]:
    """BM25 over words and identifiers, in headings and text; stop words of a question weigh nothing."""
    fields = ["text", "title", "text.identifiers^1.5", "title.identifiers"]
    return _match(without_stop_words(query), fields, only)


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
                "fields": ["text", "title", "text.identifiers", "title.identifiers"],
                "operator": "and",
            }
        }
        for word in words
    }
    scope: dict[str, Any] = {"query": {"bool": _filter(only)}} if only is not None else {}
    return {**scope, "size": 0, "aggs": {"words": {"filters": {"filters": counted}}}}


def _filter(only: list[str] | None) -> dict[str, Any]:
    return {} if only is None else {"filter": [{"terms": {"document_id": only}}]}
