"""How the index splits and folds text: one chain for all scripts, plus what single languages need.

It only uses what OpenSearch includes (analysis-common): the image has no language plugins.
Why each part is there: docs/decisions/0086-analysers.md.
"""

from __future__ import annotations

from typing import Any

# Length of the word parts that are compared, and the least length of a word that is split into parts.
PART = 5
_COMPOUND = 8

# After stemming: `values` and `value` must be one word before their `ue` is folded like an umlaut. Ligatures
# (as in oeuvre) are split first.
_FOLDED = ["asciifolding", "german_normalization"]
_NORMALISED = ["cjk_width", "lowercase", "decimal_digit", "arabic_normalization", "persian_normalization"]
_STEMMED = ["elision", *_NORMALISED, "rag_stem", "rag_arabic", *_FOLDED]


def text_field() -> dict[str, Any]:
    """Map text to words, identifiers as written, parts of long words, and Thai split by its dictionary."""
    return {
        "type": "text",
        "analyzer": "rag_words",
        "search_analyzer": "rag_words_asked",
        "fields": {
            "identifiers": {"type": "text", "analyzer": "rag_identifiers", "norms": False},
            "parts": {
                "type": "text",
                "analyzer": "rag_parts",
                "search_analyzer": "rag_parts_asked",
                "norms": False,
                "index_options": "docs",
            },
            "thai": {"type": "text", "analyzer": "rag_thai", "norms": False},
        },
    }


def name_field() -> dict[str, Any]:
    """Map a file's name to words: `AnnualReport_2024.pdf` is annual, report, 2024, pdf."""
    return {"type": "text", "analyzer": "rag_name", "norms": False}


def analysis() -> dict[str, Any]:
    """Return the tokenizers, filters and analyzers of an index."""
    return {
        "char_filter": {
            "rag_thai_only": {"type": "pattern_replace", "pattern": "[^\u0e00-\u0e7f\\s]", "replacement": " "}
        },
        "tokenizer": {
            "rag_cut": {"type": "pattern", "pattern": "[\\s,;(){}\\[\\]<>\"'`\u2018\u2019\u201c\u201d|]+"}
        },
        "filter": {
            "rag_ends": {"type": "pattern_replace", "pattern": "^[.:!?=]+|[.:!?=]+$", "replacement": ""},
            "rag_some": {"type": "length", "min": 1, "max": 200},
            "rag_stem": {"type": "stemmer", "language": "english"},
            "rag_arabic": {"type": "stemmer", "language": "arabic"},
            # Single characters as well, so that a question of one character finds it.
            "rag_pairs": {"type": "cjk_bigram", "output_unigrams": True},
            "rag_long": {"type": "length", "min": _COMPOUND, "max": 60},
            "rag_longer_than_a_part": {"type": "length", "min": PART, "max": 60},
            "rag_grams": {"type": "ngram", "min_gram": PART, "max_gram": PART},
            "rag_name_parts": {"type": "word_delimiter", "split_on_numerics": False},
        },
        "analyzer": {
            "rag_words": _custom("standard", *_STEMMED, "rag_pairs"),
            "rag_words_asked": _custom("standard", *_STEMMED, "cjk_bigram"),
            "rag_identifiers": _custom("rag_cut", "lowercase", "rag_ends", "rag_some"),
            "rag_parts": _custom("standard", *_NORMALISED, *_FOLDED, "rag_long", "rag_grams"),
            "rag_parts_asked": _custom(
                "standard", *_NORMALISED, *_FOLDED, "rag_longer_than_a_part", "rag_grams"
            ),
            "rag_thai": {**_custom("thai", "decimal_digit"), "char_filter": ["rag_thai_only"]},
            "rag_name": _custom("whitespace", "rag_name_parts", *_NORMALISED, *_FOLDED),
        },
    }


def _custom(tokenizer: str, *filters: str) -> dict[str, Any]:
    return {"type": "custom", "tokenizer": tokenizer, "filter": list(filters)}
