"""A simple but strong baseline: BM25 with OpenSearch's standard analyser over passages of 200 words."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterable

WORDS = 200
Given = list[tuple[str, str, str]]  # document, headings (none here), text


class PlainIndex:
    """A plain OpenSearch index with default settings."""

    def __init__(self, opensearch: str, name: str = "plain") -> None:
        self._address = f"{opensearch}/{name}"

    def fill(self, texts: Iterable[tuple[str, str]]) -> None:
        """Put documents, each a name and its whole text, into the index."""
        lines = []
        for document, text in texts:
            words = text.split()
            for start in range(0, len(words), WORDS):
                piece = {"document": document, "text": " ".join(words[start : start + WORDS])}
                lines += ['{"index":{}}', json.dumps(piece)]
        self._send("POST", "/_bulk?refresh=true", "\n".join(lines) + "\n")

    def search(self, question: str, passages: int) -> Given:
        """The best passages, best first."""
        body = json.dumps({"size": passages, "query": {"match": {"text": question}}})
        found = json.loads(self._send("POST", "/_search", body))["hits"]["hits"]
        return [(one["_source"]["document"], "", one["_source"]["text"]) for one in found]

    def _send(self, method: str, path: str, body: str) -> str:
        head = {"Content-Type": "application/x-ndjson" if "_bulk" in path else "application/json"}
        request = urllib.request.Request(  # noqa: S310 - the bench's own store
            self._address + path, method=method, data=body.encode(), headers=head
        )
        with urllib.request.urlopen(request, timeout=120) as reply:  # noqa: S310
            text: str = reply.read().decode()
        return text
