"""Blue and green: which index serves, which one is being made beside it, and when they change places.

The old index serves, and takes new documents with its own embedder, until every ready document has been read
into the new one. Which documents have been is in the ledger, so a killed worker goes on where it was.
"""

from __future__ import annotations

from rag_core.errors import ModelMissing, OpenSearchUnavailable
from rag_core.index.embed import Contract, Embedder
from rag_core.index.writer import IndexWriter
from rag_core.ledger import Ledger
from rag_core.ledger.notes import RETIRED, TARGET, WANTED
from rag_core.models import Frozen


class IndexVersion(Frozen):
    """An index and what its vectors are."""

    index: str
    contract: Contract


class IndexVersions:
    """Keeps the index equal to the settings: made when missing, made anew when they changed."""

    def __init__(self, *, ledger: Ledger, embedder: Embedder, index: IndexWriter) -> None:
        self._ledger = ledger
        self._embedder = embedder
        self._index = index
        self._serving: IndexVersion | None = None
        self.target: IndexVersion | None = None
        self.can_serve = True  # False: the serving index's own embedder is gone, new documents wait

    @property
    def serving(self) -> IndexVersion:
        """The index that answers."""
        if self._serving is None:
            raise OpenSearchUnavailable("the index has not been checked yet")
        return self._serving

    @property
    def names(self) -> list[str]:
        """The indexes that may hold a document's chunks."""
        return [version.index for version in (self._serving, self.target) if version is not None]

    def rebuild_requested(self) -> bool:
        """Whether a person has asked for a new index and none is being made."""
        return self.target is None and self._ledger.noted(WANTED) is not None

    def prepare(self) -> bool:
        """Look at the indexes, make what is missing; True when there was none and all is read again."""
        self._embedder.forget()
        contract = self._embedder.contract()
        found = self._index.serving()
        self._serving, self.target, self.can_serve = None, None, True
        if found is None:
            self._abandon()
            self._ledger.requeue_ready()
            name = self._index.next_name()
            self._index.create(name, contract, serve=True)
            self._serving = IndexVersion(index=name, contract=contract)
            return True
        self._serving = IndexVersion(index=found[0], contract=found[1])
        self._drop_noted(RETIRED)
        if self._ledger.noted(TARGET) == found[0]:  # killed just after the switch
            self._abandon()
        if found[1] == contract and self._ledger.noted(WANTED) is None:
            self._abandon()
            return False
        self.target = self._resumed(contract) or self._begun(contract)
        self.can_serve = self._can_embed(found[1])
        return False

    def switch(self) -> None:
        """The new index answers from now on; the old one goes."""
        if self.target is None:
            return
        old, new = self.serving, self.target
        self._ledger.note(RETIRED, old.index)
        self._index.switch(old.index, new.index)
        self._serving, self.target, self.can_serve = new, None, True
        self._ledger.note(TARGET, None)
        self._ledger.note(WANTED, None)
        self._ledger.changed()
        self._drop_noted(RETIRED)

    def _resumed(self, contract: Contract) -> IndexVersion | None:
        name = self._ledger.noted(TARGET)
        if name is None or name == self.serving.index or self._index.versions().get(name) != contract:
            return None
        return IndexVersion(index=name, contract=contract)

    def _begun(self, contract: Contract) -> IndexVersion:
        self._drop_noted(TARGET)
        # Noted before it is made: a kill between the two leaves no index that nobody knows.
        name = self._index.next_name()
        self._ledger.begin_rebuild(name)
        self._index.create(name, contract, serve=False)
        return IndexVersion(index=name, contract=contract)

    def _abandon(self) -> None:
        """No new index is wanted (any more)."""
        self._drop_noted(TARGET)
        self._ledger.note(WANTED, None)

    def _drop_noted(self, note: str) -> None:
        """Remove the index a note names, unless it serves; others may be copies that a restore keeps."""
        name = self._ledger.noted(note)
        if name is not None:
            if self._serving is None or name != self._serving.index:
                self._index.drop(name)
            self._ledger.note(note, None)

    def _can_embed(self, contract: Contract) -> bool:
        try:
            return self._embedder.contract(contract.model).space == contract.space
        except ModelMissing:
            return False
