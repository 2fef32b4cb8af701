"""Text measured in the embedder's own word pieces (BERT uncased, as all-MiniLM uses it), and in bytes.

A word that the vocabulary does not know is one piece however long it is, and signs that the tokenizer drops
are none. So no text counts as less than a piece for each BYTES_OF_PIECE bytes: whatever is limited in pieces
is limited in bytes and characters as well, be it a chunk, a passage, an answer of a search or a prompt.
"""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import as_file, files

from tokenizers import BertWordPieceTokenizer

# A longer word counts as one unknown piece to the tokenizer library, but not to Ollama. Breaking such words
# (keys, base64) before counting and embedding makes both see the same.
MAX_WORD = 100
_LONG_WORD = re.compile(r"(?<!\S)\S{101,}")
# English prose has 5 bytes a piece with its blanks, the longest words of the vocabulary 18.
BYTES_OF_PIECE = 8
# [CLS] and [SEP] go round every text.
WRAPPING = 2


@cache
def _tokenizer() -> BertWordPieceTokenizer:
    with as_file(files("rag_core") / "data" / "bert-uncased-vocab.txt") as vocabulary:
        return BertWordPieceTokenizer(str(vocabulary), lowercase=True)


def broken(text: str) -> str:
    """The text with over-long words broken, as it is counted and embedded."""
    return _LONG_WORD.sub(_break, text)


def _break(word: re.Match[str]) -> str:
    whole = word.group()
    return " ".join(whole[i : i + MAX_WORD] for i in range(0, len(whole), MAX_WORD))


def count(text: str) -> int:
    """The size of the text without the wrapping: its word pieces, more when they are few for its bytes.

    Parts joined by single signs are never larger together than the sum of their sizes.
    """
    pieces = len(_tokenizer().encode(broken(text), add_special_tokens=False).ids)
    return max(pieces, _least(text))


def counts(texts: list[str]) -> list[int]:
    """The size of each text."""
    found = _tokenizer().encode_batch([broken(text) for text in texts], add_special_tokens=False)
    return [max(len(one.ids), _least(text)) for one, text in zip(found, texts, strict=True)]


def most_bytes(pieces: int) -> int:
    """How many bytes, and so how many characters, a text of so many pieces has at most."""
    return pieces * BYTES_OF_PIECE


def _least(text: str) -> int:
    """Pieces that a text of so many bytes counts as, with the sign that joins it to the next."""
    return -(-(len(text.encode()) + 1) // BYTES_OF_PIECE) if text else 0


def cut(text: str, pieces: int) -> str:
    """The longest beginning of the text, ending between words, of at most so many pieces."""
    if count(text) <= pieces:
        return text
    spans = _spans(text)
    total = 0
    for (start, _), size in zip(spans, counts([text[a:b] for a, b in spans]), strict=True):
        total += size
        if total > pieces:
            return text[:start].rstrip()
    return text


def windows(text: str, pieces: int, overlap: int) -> list[str]:
    """Stretches of at most so many pieces, each sharing `overlap` pieces with the one before.

    For text without any boundary to cut at; it never splits a word of up to MAX_WORD characters.
    """
    spans = _spans(text)
    sizes = counts([text[a:b] for a, b in spans])
    found: list[str] = []
    first = 0
    while first < len(spans):
        last, total = first, 0
        while last < len(spans) and (total + sizes[last] <= pieces or last == first):
            total += sizes[last]
            last += 1
        found.append(text[spans[first][0] : spans[last - 1][1]])
        if last == len(spans):
            break
        back, shared = last, 0
        while back - 1 > first and shared + sizes[back - 1] <= overlap:
            back -= 1
            shared += sizes[back]
        first = back
    return found


def _spans(text: str) -> list[tuple[int, int]]:
    """Words as (start, end); over-long ones in parts."""
    return [
        (start, min(start + MAX_WORD, word.end()))
        for word in re.finditer(r"\S+", text)
        for start in range(word.start(), word.end(), MAX_WORD)
    ]
