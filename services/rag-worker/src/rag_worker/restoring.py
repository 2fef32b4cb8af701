"""`python -m rag_worker.restoring`: the changes that restoring a backup makes to the ledger.

playbooks/restore.yml runs it in a separate container, with the live ledger and a copy of the backup's ledger.
It prints what it did as JSON.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rag_core.errors import RestoreRefused
from rag_core.ledger import restoring


def parser() -> argparse.ArgumentParser:
    """Return the parser of the command line."""
    made = argparse.ArgumentParser(prog="rag_worker.restoring", description=__doc__)
    steps = made.add_subparsers(dest="step", required=True)
    steps.add_parser("migrate", help="bring a copy of a ledger to this software's version").add_argument(
        "ledger", type=Path
    )
    replace = steps.add_parser("replace", help="replace the live ledger's content by another's")
    fit = steps.add_parser("fit-to-index", help="record that the index is the one of the other ledger")
    back = steps.add_parser("bring-back", help="queue documents again that the live ledger lost")
    for step in (replace, fit, back):
        step.add_argument("live", type=Path)
        step.add_argument("other", type=Path)
    replace.add_argument("--since", type=float, required=True, help="documents added since then stay")
    replace.add_argument("--exact", action="store_true", help="also what the other ledger does not know goes")
    back.add_argument("--path", action="append", help="only documents of these files")
    return made


def main(words: Sequence[str] | None = None) -> int:
    """Run the requested step; returns the exit code."""
    given = parser().parse_args(words)
    try:
        if given.step == "migrate":
            restoring.migrate(given.ledger)
            done: dict[str, object] = {}
        elif given.step == "replace":
            done = {"arrived": restoring.replace(given.live, given.other, given.since, exact=given.exact)}
        elif given.step == "fit-to-index":
            again, orphans = restoring.fit_to_index(given.live, given.other)
            done = {"read_again": again, "orphans": orphans}
        else:
            done = {"read_again": restoring.bring_back(given.live, given.other, given.path)}
    except RestoreRefused as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    sys.stdout.write(f"{json.dumps(done)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
