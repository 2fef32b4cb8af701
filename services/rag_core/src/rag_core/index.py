"""The index in OpenSearch: one for all documents, behind an alias; filled by one side, asked by the other."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Iterator
from typing import Any

from opensearchpy.exceptions import NotFoundError

from rag_core import hits, search_schema
from rag_core.embed import Contract
from rag_core.errors import ContractMismatch
from rag_core.hits import Findings
from rag_core.index_client import translate_status
from rag_core.index_writing import IndexWriting, term

# After a switch to a new index its contract is known as soon.
_CONTRACT_SECONDS = 5.0


class SearchIndex(IndexWriting):
    """All chunks of all documents behind one alias; safe to share between threads."""

    _contract: tuple[float, Contract | None] = (0.0, None)

    def search(
        self,
        query: str,
        vector: list[float] | None,
        *,
        size: int,
        only: Collection[str] | None = None,
        words: Collection[str] = (),
    ) -> Findings:
        """The best chunks by fused rank; each search is also asked alone, for the ranks people may want.

        Without a vector the words decide alone. `words` are counted: a word that no chunk holds tells much.
        """
        ids = None if only is None else sorted(only)
        legs = [search_schema.lexical(query, ids)]
        if vector is not None:
            legs.append(search_schema.nearest(vector, size, ids))
        alone: list[dict[str, Any]] = [{"size": size, "_source": False, "query": leg} for leg in legs]
        exact = search_schema.exact(query, ids)
        fused = {"hybrid": {"queries": [*legs, exact] if exact is not None else legs}}
        bodies: list[dict[str, Any]] = [{"size": size, "query": fused}, *alone]
        if words:
            bodies.append(search_schema.holding(words, ids))
        with self._translated():
            body = "".join("{}\n" + json.dumps(one) + "\n" for one in bodies)
            reply = self._client.msearch(body=body, index=self._alias)
            for response in reply["responses"]:
                if "error" in response:
                    raise translate_status(
                        int(response.get("status", 500)), str(response["error"].get("type"))
                    )
        return hits.findings(reply["responses"], vectors=vector is not None)

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
        """What the index says its vectors are; None when there is no index yet."""
        read, contract = self._contract
        if contract is None or time.monotonic() - read > _CONTRACT_SECONDS:
            serving = self.serving()
            contract = serving[1] if serving else None
            self._contract = (time.monotonic(), contract)
        return contract

    def chunks(self, document_id: str) -> Iterator[dict[str, Any]]:
        """A document's chunks in order, as they are searched."""
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
        """Read the contract anew with the next question."""
        self._contract = (0.0, None)

    def count(self, document_id: str | None = None) -> int:
        """Chunks of one document, or of all; 0 when there is no index yet."""
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
        """What the index holds of the chunks that a query finds; for readers of pages."""
        with self._translated():
            reply = self._client.search(index=self._alias, body=body)
        return [hit["_source"] for hit in reply["hits"]["hits"]]
