"""The read side of the index in OpenSearch: one index for all documents, behind an alias."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Collection, Iterator
from typing import Any

from opensearchpy.exceptions import NotFoundError

from rag_core.errors import ContractMismatch, OpenSearchRefused
from rag_core.index import hits, schema
from rag_core.index.client import IndexClient, translate_status
from rag_core.index.embed import Contract
from rag_core.index.hits import Findings, Hit

# Lifetime of the cached contract: after a switch, the new index's contract is known within this time.
_CONTRACT_SECONDS = 5.0
# Most documents whose name a question may refer to.
_NAMES = 20


class IndexReader(IndexClient):
    """Reads the chunks of all documents behind one alias; safe to share between threads.

    Its versions are called `<alias>-000001`, `-000002`, ...; one of them serves behind the alias.
    """

    _contract: tuple[float, Contract | None] = (0.0, None)

    def versions(self) -> dict[str, Contract | None]:
        """Return every version with its contract, oldest first; None: not created by us."""
        with self._translated():
            try:
                found = self._client.indices.get_mapping(index=f"{self._alias}-*")
            except NotFoundError:
                return {}
        ours = re.compile(re.escape(self._alias) + r"-\d{6}")
        return {name: _contract(mapping) for name, mapping in sorted(found.items()) if ours.fullmatch(name)}

    def serving(self) -> tuple[str, Contract] | None:
        """Return the index behind the alias and its contract; None when there is none."""
        with self._translated():
            try:
                mapping = self._client.indices.get_mapping(index=self._alias)
            except NotFoundError:
                return None
        name, body = next(iter(mapping.items()))
        contract = _contract(body)
        if contract is None:
            raise OpenSearchRefused(
                f"the index behind {self._alias!r} was not made by Ragdock (no embedding contract in it);"
                " set OPENSEARCH_INDEX to a free name"
            )
        return name, contract

    def search(
        self,
        query: str,
        vector: list[float] | None,
        *,
        size: int,
        only: Collection[str] | None = None,
        words: Collection[str] = (),
    ) -> Findings:
        """Return the best chunks by words, identifiers and meaning, fused.

        Without a vector only words count. For each of `words` the chunks that contain it are counted; a word
        that few or no chunks contain is also searched by its spelling.
        """
        ids = None if only is None else sorted(only)
        exact = schema.exact(query, ids)
        asked = {
            "lexical": _listed(schema.lexical(query, ids), size),
            "exact": _listed(exact, size),
            "near": _listed(None if vector is None else schema.nearest(vector, size, ids), size),
            "words": schema.holding(words, ids) if words else None,
            "names": {
                "size": _NAMES,
                "_source": ["document_id", "name"],
                "query": schema.named(query, ids),
            },
        }
        found = self._together(asked)
        held = hits.counted(found["words"])
        akin = schema.akin(held)
        if akin:
            found |= self._together({"lexical": _listed(schema.lexical(query, ids, akin), size)})
        legs = [found[leg] for leg in ("lexical", "exact", "near")]
        return hits.findings(query, legs, most=size, words=held, names=hits.called(found["names"]))

    def beginning(self, document_ids: Collection[str], *, size: int) -> list[Hit]:
        """Return the first chunks of these documents, in order."""
        query = schema.beginning(document_ids)
        body = {"size": size, "query": query, "sort": ["ordinal", "document_id"]}
        with self._translated():
            return hits.in_order(self._client.search(index=self._alias, body=body))

    def _together(self, bodies: dict[str, dict[str, Any] | None]) -> dict[str, dict[str, Any]]:
        """Run several searches in one request; None is skipped and yields {}."""
        searches = {name: body for name, body in bodies.items() if body is not None}
        body = "".join("{}\n" + json.dumps(one) + "\n" for one in searches.values())
        with self._translated():
            reply = self._client.msearch(body=body, index=self._alias)
        for response in reply["responses"]:
            if "error" in response:
                raise translate_status(int(response.get("status", 500)), str(response["error"].get("type")))
        answered = dict(zip(searches, reply["responses"], strict=True))
        return {name: answered.get(name, {}) for name in bodies}

    def demand(self, contract: Contract) -> None:
        """Raise ContractMismatch unless the index holds vectors of the same model."""
        stored = self.stored_contract()
        if stored is None or stored.space == contract.space:
            return
        differing = [
            f"{name} is {getattr(stored, name)!r} in the index, {getattr(contract, name)!r} here"
            for name in ("model", "digest", "dimension")
            if getattr(stored, name) != getattr(contract, name)
        ]
        raise ContractMismatch(
            "the index was made with another embedder: "
            + "; ".join(differing)
            + ". The worker is making a new"
            " index; until it serves, words alone are searched"
        )

    def stored_contract(self) -> Contract | None:
        """Return the contract stored in the index; None when there is no index yet."""
        read, contract = self._contract
        if contract is None or time.monotonic() - read > _CONTRACT_SECONDS:
            serving = self.serving()
            contract = serving[1] if serving else None
            self._contract = (time.monotonic(), contract)
        return contract

    def chunks(self, document_id: str) -> Iterator[dict[str, Any]]:
        """Yield a document's chunks in order, as indexed."""
        fields = ["ordinal", "title", "text", "page_start", "page_end"]
        last = -1
        while True:
            later = {"range": {"ordinal": {"gt": last}}}
            query = {"bool": {"filter": [term(document_id), later]}}
            found = self.sources({"size": 500, "query": query, "sort": ["ordinal"], "_source": fields})
            yield from found
            if len(found) < 500:
                return
            last = int(found[-1]["ordinal"])

    def forget(self) -> None:
        """Read the contract again with the next question."""
        self._contract = (0.0, None)

    def count(self, document_id: str | None = None) -> int:
        """Return the number of chunks of one document, or of all; 0 when there is no index yet."""
        query = {"match_all": {}} if document_id is None else term(document_id)
        with self._translated():
            try:
                reply = self._client.search(
                    index=self._alias, body={"size": 0, "track_total_hits": True, "query": query}
                )
            except NotFoundError:
                return 0
        return int(reply["hits"]["total"]["value"])

    def sources(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Return the stored fields of the chunks that a query finds; used to read pages."""
        with self._translated():
            reply = self._client.search(index=self._alias, body=body)
        return [hit["_source"] for hit in reply["hits"]["hits"]]


def _listed(query: dict[str, Any] | None, size: int) -> dict[str, Any] | None:
    return None if query is None else {"size": size, "query": query}


def term(document_id: str) -> dict[str, Any]:
    """Build the query for one document's chunks."""
    return {"term": {"document_id": document_id}}


def _contract(body: dict[str, Any]) -> Contract | None:
    meta = body["mappings"].get("_meta", {}).get("embedding")
    return None if meta is None else Contract(**meta)
