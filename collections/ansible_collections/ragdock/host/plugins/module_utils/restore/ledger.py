"""Changes the ledger's tables with the worker's own image, since only rag_core knows what they mean."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils import ledger
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, last_lines

WORKER = "rag-worker"
WORKER_UID = 10001
NAME = "ragdock-restore-ledger"
PROGRAM = "rag_worker.restoring"
LONGEST_SECONDS = 600.0
# Where the container sees the live ledger's directory and the other ledger's.
LIVE, OTHER = "/live", "/other"
FILE = "ledger.sqlite3"


@dataclass(frozen=True)
class LedgerChanges:
    """Each call makes one change, in a single transaction."""

    engine: Engine
    live: Path
    # A directory that is made for the container and removed again.
    shared: Path

    def migrate(self, path: Path) -> None:
        """Bring a ledger that is not in use to the running software's version."""
        with self._shared(path) as copy:
            self._run("migrate", f"{OTHER}/{FILE}")
            ledger.copy(copy, path)

    def replace(self, other: Path, since: float, *, exact: bool = False) -> int:
        """Replace the live ledger's content by the other's; return how many documents added since stay."""
        options = [f"--since={since!r}", *(["--exact"] if exact else [])]
        return int(self._change("replace", other, options)["arrived"])

    def fit_to_index(self, other: Path) -> tuple[int, list[str]]:
        """Adapt the live ledger to the other ledger's index, which becomes live.

        Returns how many documents are read again, and the documents whose chunks are obsolete.
        """
        done = self._change("fit-to-index", other)
        return int(done["read_again"]), list(done["orphans"])

    def bring_back(self, other: Path, paths: Sequence[str] | None = None) -> int:
        """Queue documents again that the live ledger lost, all or those of PATHS; return how many."""
        return int(self._change("bring-back", other, [f"--path={one}" for one in paths or ()])["read_again"])

    def _change(self, step: str, other: Path, options: Sequence[str] = ()) -> dict[str, Any]:
        with self._shared(other):
            return self._run(step, *options, f"{LIVE}/{FILE}", f"{OTHER}/{FILE}", live=True)

    @contextmanager
    def _shared(self, path: Path) -> Iterator[Path]:
        """A copy of a ledger in a directory of the worker's user, for as long as it is needed."""
        self.engine.run("rm", "--force", NAME, check=False)  # left by a killed run
        if self.shared.exists():
            shutil.rmtree(self.shared)
        self.shared.mkdir(mode=0o700)
        copy = self.shared / FILE
        try:
            ledger.copy(path, copy)
            for one in (self.shared, copy):
                shutil.chown(one, WORKER_UID, WORKER_UID)
            yield copy
        finally:
            shutil.rmtree(self.shared)

    def _run(self, step: str, *words: str, live: bool = False) -> dict[str, Any]:
        worker = next((one for one in self.engine.containers() if one.service == WORKER), None)
        if worker is None:
            raise ledger.LedgerError(f"there is no container of {WORKER}: run playbooks/deploy.yml first")
        mounts = {str(self.shared): OTHER} | ({str(self.live.parent): LIVE} if live else {})
        done = self.engine.throwaway(
            "restore",
            worker.image,
            ["python", "-m", PROGRAM, step, *words],
            [
                f"--name={NAME}",
                f"--user={WORKER_UID}:{WORKER_UID}",
                *(f"--volume={host}:{inside}" for host, inside in mounts.items()),
            ],
            timeout=LONGEST_SECONDS,
        )
        if done.returncode == 0:
            return dict(json.loads(done.stdout))
        if f"No module named {PROGRAM}" in done.stderr:
            raise ledger.LedgerError(
                "the release that serves is older than this restore, and its worker has no code for it: "
                "run playbooks/deploy.yml first"
            )
        raise ledger.LedgerError(f"{WORKER} did not change the ledger: {last_lines(done.stderr)}")
