"""Measures text in the embedder's own word pieces (BERT uncased, as in all-MiniLM), and in bytes.

An unknown word is one piece however long it is, and characters that the tokenizer drops are none. So each
BYTES_OF_PIECE bytes count as at least one piece: whatever is limited in pieces is then limited in bytes and
characters as well, be it a chunk, a passage, a search result or a prompt.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import as_file, files

from tokenizers import BertWordPieceTokenizer

# A longer word is one unknown piece for the tokenizer library, but not for Ollama. Breaking such words (keys,
# base64) before counting and embedding makes both count the same.
MAX_WORD = 100
_LONG_WORD = re.compile(r"(?<!\S)\S{101,}")
# English prose has 5 bytes per piece including blanks; the longest words of the vocabulary have 18.
BYTES_OF_PIECE = 8
# [CLS] and [SEP] around every text.
WRAPPING = 2


@cache
def _tokenizer() -> BertWordPieceTokenizer:
    with as_file(files("rag_core") / "data" / "bert-uncased-vocab.txt") as vocabulary:
        return BertWordPieceTokenizer(str(vocabulary), lowercase=True)


def broken(text: str) -> str:
    """Break over-long words, as the text is counted and embedded."""
    return _LONG_WORD.sub(_break, text)


def _break(word: re.Match[str]) -> str:
    whole = word.group()
    return " ".join(whole[i : i + MAX_WORD] for i in range(0, len(whole), MAX_WORD))


def count(text: str) -> int:
    """Return the size of the text without [CLS] and [SEP]: its word pieces, or more if it has many bytes.

    Parts joined by single characters are never larger together than the sum of their sizes.
    """
    return counts([text])[0]


def counts(texts: list[str]) -> list[int]:
    """Return the size of each text."""
    return [_size(found, _weight(text)) for found, text in zip(pieces(texts), texts, strict=True)]


def pieces(texts: list[str]) -> list[int]:
    """Return the word pieces of each text, regardless of its bytes."""
    found = _tokenizer().encode_batch([broken(text) for text in texts], add_special_tokens=False)
    return [len(one.ids) for one in found]


def cut(text: str, most: int) -> str:
    """Return the longest beginning of the text of at most this size that ends between words."""
    if count(text) <= most:
        return text
    spans = _spans(text)
    sizes = _measured(text, spans)
    total = weight = 0
    for (start, _), (found, more) in zip(spans, sizes, strict=True):
        total, weight = total + found, weight + more
        if _size(total, weight) > most:
            return text[:start].rstrip()
    return text


def windows(text: str, most: int, overlap: int) -> list[str]:
    """Split a text into stretches of at most this size, each sharing `overlap` with the previous one.

    For text without any boundary to cut at; it never splits a word of up to MAX_WORD characters.
    """
    spans = _spans(text)
    sizes = _measured(text, spans)
    found: list[str] = []
    first = 0
    while first < len(spans):
        last, total, weight = first, 0, 0
        while last < len(spans):
            total, weight = total + sizes[last][0], weight + sizes[last][1]
            if _size(total, weight) > most and last > first:
                break
            last += 1
        found.append(text[spans[first][0] : spans[last - 1][1]])
        if last == len(spans):
            break
        back, total, weight = last, 0, 0
        while back - 1 > first:
            total, weight = total + sizes[back - 1][0], weight + sizes[back - 1][1]
            if _size(total, weight) > overlap:
                break
            back -= 1
        first = back
    return found


def _size(found: int, weight: int) -> int:
    return max(found, -(-weight // BYTES_OF_PIECE))


def _weight(text: str) -> int:
    """Return the bytes of a text including the character that joins it to the next one."""
    return len(text.encode()) + 1 if text else 0


def _measured(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return pieces and weight of each stretch, including the blanks after it."""
    found = pieces([text[start:end] for start, end in spans])
    ends = [*(start for start, _ in spans[1:]), len(text)] if spans else []
    return [
        (number, max(_weight(text[start:end]), len(text[start:next_].encode())))
        for number, (start, end), next_ in zip(found, spans, ends, strict=True)
    ]


def _spans(text: str) -> list[tuple[int, int]]:
    """Return words as (start, end); over-long ones are split."""
    return [
        (start, min(start + MAX_WORD, word.end()))
        for word in re.finditer(r"\S+", text)
        for start in range(word.start(), word.end(), MAX_WORD)
    ]
