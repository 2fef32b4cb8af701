"""One restore as a transaction: prepare beside, switch, and either keep it or roll back.

preparing   the backup is fetched, checked and restored under new index names; nothing live is touched
switching   the worker is stopped; files, ledger and alias change; answers come from one or the other
switched    the restored state is live; the next run keeps it

The journal names each state before it begins. A run that finds the journal of another run undoes the first
two states and completes the third.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import time
from dataclasses import dataclass, field

from ansible_collections.ragdock.host.plugins.module_utils import ledger
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.restore import content as parts
from ansible_collections.ragdock.host.plugins.module_utils.restore.file_moves import back, forward
from ansible_collections.ragdock.host.plugins.module_utils.restore.journal import (
    PREPARING,
    SWITCHED,
    SWITCHING,
    Entry,
    Index,
    RestoreWorkspace,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.ledger import WORKER, LedgerChanges
from ansible_collections.ragdock.host.plugins.module_utils.restore.node import Node
from ansible_collections.ragdock.host.plugins.module_utils.restore.preparation import (
    NODE_SECONDS,
    RestoreError,
)

STOP_SECONDS = 120.0
# Where the containers see the host's data directory.
INSIDE = "/data/"


@dataclass
class Transaction:
    """All that one restore does on the host."""

    workspace: RestoreWorkspace
    node: Node
    engine: Engine
    seconds: dict[str, float] = field(default_factory=dict)
    figures: dict[str, int] = field(default_factory=dict)

    # --- begin -----------------------------------------------------------------------------------

    def settle(self) -> str:
        """Complete or undo what an earlier run left; returns which, or nothing."""
        entry = self.workspace.read()
        if entry is None:
            return ""
        self.node.ready(NODE_SECONDS)
        if entry.phase == SWITCHED:
            self.finish(entry)
            return f"the restore of {entry.backup}, interrupted after its switch, is complete"
        self.undo(entry)
        return (
            f"the restore of {entry.backup}, interrupted while {entry.phase}, is undone: all is as before it"
        )

    def begin(self, backup: str, scope: str, file: str) -> Entry:
        """A new journal."""
        self.workspace.open()
        moment = f"{dt.datetime.now(dt.UTC):%Y%m%dT%H%M%SZ}"
        entry = Entry(moment=moment, backup=backup, scope=scope, began=time.time(), file=file)
        self.workspace.write(entry)
        return entry

    # --- switch ----------------------------------------------------------------------------------

    def switch(self, entry: Entry) -> None:
        """Make the restored state the live one."""
        clock = time.monotonic()
        entry.phase = SWITCHING
        aside = self.workspace.aside(entry.moment)
        self.workspace.write(entry)
        aside.mkdir(mode=0o700)
        self._rest(entry)
        # Read again: the worker may have made an index in the meantime.
        for one in entry.indices:
            one.old = self.node.behind(one.alias)
        olds = [(old, one.alias) for one in entry.indices for old in one.old]
        kept = [twin_name(old, entry.moment) if old == alias else old for old, alias in olds]
        about = {"backup": entry.backup, "scope": entry.scope, "indices": kept}
        (aside / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
        if entry.scope != parts.ANALYTICS:
            ledger.copy(self.workspace.ledger, aside / parts.LEDGER)
            entry.ledger = True
        self.workspace.write(entry)
        for one in entry.indices:
            if one.alias in one.old:
                self.node.twin(one.alias, twin_name(one.alias, entry.moment))
        forward(self.workspace.paths(entry), entry.moves)
        self._ledger(entry)
        for one in entry.indices:
            self.node.switch(one.alias, one.new, one.old)
        entry.phase = SWITCHED
        self.workspace.write(entry)
        self._wake(entry)
        self.seconds["switch"] = round(time.monotonic() - clock, 1)

    def _ledger(self, entry: Entry) -> None:
        theirs = parts.ledger_of(self.workspace.staged)
        if entry.scope == parts.ALL:
            self.figures["arrived"] = self._changes.replace(theirs, entry.began)
        elif entry.scope == parts.INDEX:
            again, orphans = self._changes.fit_to_index(theirs)
            for one in entry.indices:
                self.node.forget_documents(one.new, orphans)
            self.figures["read_again"] = again
        elif entry.scope in (parts.DOCUMENTS, parts.FILE):
            paths = [f"{INSIDE}{move.path}" for move in entry.moves] if entry.scope == parts.FILE else None
            if entry.scope == parts.FILE and not paths:
                paths = [f"{INSIDE}{entry.file}"]
            self.figures["read_again"] = self._changes.bring_back(theirs, paths)

    # --- the two ends ----------------------------------------------------------------------------

    def finish(self, entry: Entry) -> None:
        """Keep the restored state; remove what was fetched, and safety copies older than this one."""
        self._wake(entry)
        if entry.indices:
            self.node.close_copy()
        aliases = {one.alias for one in entry.indices}
        here = {name: led for alias in aliases for name, led in self.node.indices(f"{alias}*").items()}
        for old in [path for path in self.workspace.kept() if path != self.workspace.aside(entry.moment)]:
            about = old / "about.json"
            names = json.loads(about.read_text(encoding="utf-8"))["indices"] if about.is_file() else []
            if names and not entry.indices:
                continue  # still the newest safety copy of an index
            self.node.delete(name for name in names if name in here and not here[name])
            shutil.rmtree(old)
        self.workspace.clear()

    def undo(self, entry: Entry) -> None:
        """Roll back. Idempotent."""
        self.node.ready(NODE_SECONDS)
        if entry.phase != PREPARING:
            self._rest(entry)
            for one in entry.indices:
                self._alias_back(one, entry.moment)
            aside = self.workspace.aside(entry.moment)
            if entry.ledger and (aside / parts.LEDGER).is_file():
                self._changes.replace(aside / parts.LEDGER, entry.began, exact=True)
            back(self.workspace.paths(entry), entry.moves)
            if aside.exists():
                shutil.rmtree(aside)
        for one in entry.indices:
            self.node.delete([one.new])
        if entry.indices:
            self.node.close_copy()
        self._wake(entry)
        self.workspace.clear()

    def _alias_back(self, one: Index, moment: str) -> None:
        now = self.node.behind(one.alias)
        if one.new in now:
            old = [twin_name(name, moment) if name == one.alias else name for name in one.old]
            self.node.switch(one.alias, old[0] if old else None, [name for name in now if name not in old])
        elif one.alias in one.old:
            # Not switched yet: the index still has its own name, so its copy is not needed.
            self.node.delete([twin_name(one.alias, moment)])

    # --- helpers ---------------------------------------------------------------------------------

    @property
    def _changes(self) -> LedgerChanges:
        return self.workspace.ledger_changes(self.engine)

    def _rest(self, entry: Entry) -> None:
        """Stop the worker once it has finished its work; questions are still answered.

        Before it is undone, an interrupted restore may have met a deployment, which started another worker.
        """
        if entry.scope == parts.ANALYTICS:
            return
        workers = [one for one in self.engine.containers() if one.service == WORKER]
        running = [one.id for one in workers if one.state == "running"]
        entry.stopped = list(dict.fromkeys([*entry.stopped, *running]))
        self.workspace.write(entry)
        for container in running:
            self.engine.run("stop", container, timeout=STOP_SECONDS)

    def _wake(self, entry: Entry) -> None:
        for container in entry.stopped:
            # A deployment may have replaced it in the meantime; then the new one runs.
            done = self.engine.run("start", container, check=False)
            if done.returncode != 0 and "No such container" not in done.stderr:
                raise RestoreError(f"{WORKER} did not start again: {done.stderr.strip()}")


def twin_name(alias: str, moment: str) -> str:
    """The safety copy of an index that has the alias's own name."""
    return f"{alias}-before-r{moment.lower()}"
