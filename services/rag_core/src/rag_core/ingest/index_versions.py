"""Blue-green indexes: which one serves, which one is being built, and when to switch.

The old index serves, and takes new documents with its own embedder, until every ready document has been read
into the new one. The ledger records which documents have been, so a killed worker resumes where it was.
"""

from __future__ import annotations

from rag_core.errors import ModelMissing, OpenSearchUnavailable, RemoteUnavailable
from rag_core.index.embed import Contract, Embedder
from rag_core.index.writer import IndexWriter
from rag_core.ledger import Ledger
from rag_core.ledger.notes import RETIRED, TARGET, WANTED
from rag_core.models import Frozen


class IndexVersion(Frozen):
    """An index and the contract of its vectors."""

    index: str
    contract: Contract


class IndexVersions:
    """Keeps the index in line with the settings: creates it if missing, rebuilds it when they change."""

    def __init__(self, *, ledger: Ledger, embedder: Embedder, index: IndexWriter) -> None:
        self._ledger = ledger
        self._embedder = embedder
        self._index = index
        self._serving: IndexVersion | None = None
        self.target: IndexVersion | None = None
        self.can_serve = True  # False: the serving index's embedder does not answer, and new documents wait

    @property
    def serving(self) -> IndexVersion:
        """The serving index."""
        if self._serving is None:
            raise OpenSearchUnavailable("the index has not been checked yet")
        return self._serving

    @property
    def names(self) -> list[str]:
        """The indexes that may contain a document's chunks."""
        return [version.index for version in (self._serving, self.target) if version is not None]

    def rebuild_requested(self) -> bool:
        """Whether a new index was requested and none is being built."""
        return self.target is None and self._ledger.noted(WANTED) is not None

    def prepare(self) -> bool:
        """Check the indexes and create what is missing; True if there was none, so that all is read again."""
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
        """Make the new index serve, and remove the old one."""
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
        # Recorded before it is created, so that a kill in between leaves no orphaned index.
        name = self._index.next_name()
        self._ledger.begin_rebuild(name)
        self._index.create(name, contract, serve=False)
        return IndexVersion(index=name, contract=contract)

    def _abandon(self) -> None:
        """Stop building a new index, which is not wanted any more."""
        self._drop_noted(TARGET)
        self._ledger.note(WANTED, None)

    def _drop_noted(self, note: str) -> None:
        """Remove the index named by a note, unless it serves; others may be copies that a restore keeps."""
        name = self._ledger.noted(note)
        if name is not None:
            if self._serving is None or name != self._serving.index:
                self._index.drop(name)
            self._ledger.note(note, None)

    def _can_embed(self, contract: Contract) -> bool:
        try:
            return self._embedder.contract(contract.model).space == contract.space
        except (ModelMissing, RemoteUnavailable):
            # Without it, new documents wait for the new index, which must not wait in turn.
            return False
