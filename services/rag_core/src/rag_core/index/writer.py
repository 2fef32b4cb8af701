"""The write side of the index, used by the worker: creates, fills, switches and drops versions."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from opensearchpy.exceptions import NotFoundError

from rag_core.errors import DocumentRefused, OpenSearchRefused, OpenSearchUnavailable
from rag_core.extract.chunk import Chunk
from rag_core.index import schema
from rag_core.index.client import about_the_document, document_refused, translate_status
from rag_core.index.embed import Contract
from rag_core.index.reader import IndexReader, term
from rag_core.models import DocumentKind


class IndexWriter(IndexReader):
    """Creates versions of the index, fills them, and replaces one by another."""

    def next_name(self) -> str:
        """Return the name of the next version."""
        last = max((int(name[-6:]) for name in self.versions()), default=0)
        return f"{self._alias}-{last + 1:06d}"

    def create(self, name: str, contract: Contract, *, serve: bool) -> None:
        """Create a version; with `serve` it is put behind the alias at once."""
        body = schema.index(contract, self._alias)
        if not serve:
            del body["aliases"]
        with self._translated():
            self._client.transport.perform_request(
                "PUT",
                f"/_search/pipeline/{self._alias}-{schema.PIPELINE}",
                body=schema.pipeline(),
            )
            self._client.indices.create(index=name, body=body)

    def switch(self, old: str, new: str) -> None:
        """Put `new` behind the alias instead of `old`, atomically for all readers."""
        actions = [
            {"remove": {"index": old, "alias": self._alias}},
            {"add": {"index": new, "alias": self._alias, "is_write_index": True}},
        ]
        with self._translated():
            self._client.indices.refresh(index=new)
            self._client.indices.update_aliases(body={"actions": actions})

    def drop(self, name: str) -> None:
        """Remove a version."""
        with self._translated():
            self._client.indices.delete(index=name, params={"ignore_unavailable": "true"})

    def put(
        self,
        index: str,
        document_id: str,
        kind: DocumentKind,
        chunks: Sequence[Chunk],
        vectors: Sequence[list[float]],
        *,
        name: str,
        mapping: int,
    ) -> None:
        """Write chunks; their ids are derived from document and position, so writing twice is harmless."""
        added = datetime.now(UTC).isoformat()
        self._write(
            [
                _action(index, document_id, kind, chunk, vector, added, name, mapping)
                for chunk, vector in zip(chunks, vectors, strict=True)
            ]
        )

    def _write(self, actions: Sequence[str]) -> None:
        """Send the actions in one request, or in smaller ones if it is too large."""
        try:
            with self._of_a_document():
                reply = self._client.bulk(body="".join(actions))
        except DocumentRefused as refused:
            if refused.code != "index_too_large" or len(actions) == 1:
                raise
            half = len(actions) // 2
            self._write(actions[:half])
            self._write(actions[half:])
            return
        if reply["errors"]:
            _check([item["index"] for item in reply["items"]])

    def finish(self, index: str, document_id: str, chunks: int, *, fresh: bool = False) -> None:
        """Make the document searchable; unless `fresh`, drop chunks left by an earlier, longer version."""
        if fresh:
            with self._of_a_document():
                self._client.indices.refresh(index=index)
            return
        rest = {"bool": {"filter": [term(document_id), {"range": {"ordinal": {"gte": chunks}}}]}}
        self._delete(index, rest)

    def delete(self, document_id: str, indexes: Sequence[str] = ()) -> None:
        """Remove all chunks of the document from these indexes, or the serving one; none is fine."""
        for index in indexes or [self._alias]:
            self._delete(index, term(document_id))

    def _delete(self, index: str, query: dict[str, Any]) -> None:
        with self._of_a_document():
            # Chunks just written are invisible to a query before a refresh.
            try:
                self._client.indices.refresh(index=index)
            except NotFoundError:
                return
            reply = self._client.delete_by_query(
                index=index, body={"query": query}, params={"conflicts": "proceed", "refresh": "true"}
            )
        if reply.get("failures") or reply.get("version_conflicts"):
            raise OpenSearchUnavailable("OpenSearch could not delete every chunk; it is tried again")


def _action(
    index: str,
    document_id: str,
    kind: DocumentKind,
    chunk: Chunk,
    vector: list[float],
    added: str,
    name: str,
    mapping: int,
) -> str:
    """Return one chunk as two lines of a bulk request."""
    action = {"index": {"_index": index, "_id": f"{document_id}-{chunk.ordinal:06d}"}}
    source = {
        "document_id": document_id,
        "ordinal": chunk.ordinal,
        "kind": kind.value,
        "name": name,
        "title": chunk.title,
        "text": chunk.text,
        "page_start": chunk.page_start,
        "page_end": chunk.page_end,
        "page_marks": {"marks": chunk.page_marks},
        "added": added,
        "vector": vector,
    }
    return f"{json.dumps(action)}\n{json.dumps(schema.known(source, mapping))}\n"


def _check(items: Sequence[dict[str, Any]]) -> None:
    """Raise for chunks that were refused: first errors that waiting may fix, then those it does not."""
    refused: OpenSearchRefused | None = None
    for item in items:
        if item["status"] < 300:
            continue
        error = translate_status(int(item["status"]), str(item.get("error", {}).get("type")))
        if isinstance(error, OpenSearchUnavailable):
            raise error
        if refused is None or not about_the_document(error):
            refused = error
    if refused is None:
        return
    # Only report the error's type: its reason may quote the document.
    raise document_refused(refused.status or 0, refused.kind) if about_the_document(refused) else refused
