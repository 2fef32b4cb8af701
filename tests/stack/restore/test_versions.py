"""Restoring a backup of another release: an older one comes back, a newer one is refused beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from rag_core.ledger import schema
from tests.stack.backup.vault import back_up
from tests.stack.host import Host
from tests.stack.plays import copy_of_checkout, edit, play
from tests.stack.restore.rescue import ROOT, Scene, drill, restore
from tests.stack.soak import fault, long

pytestmark = [pytest.mark.release, fault, long("deploys and goes back")]

SCHEMA = "services/rag_core/src/rag_core/ledger/schema.py"
NOW = len(schema.STEPS)
# One more step of the ledger's schema, as a next release would add.
NEXT = "ALTER TABLE documents ADD COLUMN spare TEXT"


def ledger(host: Host, *statements: str) -> str:
    """Execute these statements on the live ledger and return its schema version."""
    script = (
        "import contextlib, sqlite3, sys\n"
        f"path = '{ROOT}/data/ledger/ledger.sqlite3'\n"
        "with contextlib.closing(sqlite3.connect(path, timeout=30)) as db, db:\n"
        "    for one in sys.argv[1:]: db.execute(one)\n"
        "    print(db.execute('PRAGMA user_version').fetchone()[0])\n"
    )
    return host.run("python3", "-c", script, *statements).strip()


@pytest.fixture
def next_release(tmp_path: Path, scene: Scene, host: Host) -> Iterator[None]:
    """Deploy a release with a newer ledger; afterwards the previous release serves with its own ledger."""
    here, oldest = host.current(), scene.vault.ids()
    copy = copy_of_checkout(tmp_path)
    edit(
        copy,
        SCHEMA,
        lambda text: text.replace('    """,\n)\n', f'    """,\n    """\n    {NEXT};\n    """,\n)\n'),
    )
    play("playbooks/deploy.yml", checkout=copy).good()
    assert ledger(host) == str(NOW + 1)
    yield
    if host.current() != here:
        play("playbooks/rollback.yml", "-e", f"release={here}").good()
    if ledger(host) != str(NOW):
        ledger(host, "ALTER TABLE documents DROP COLUMN spare", f"PRAGMA user_version = {NOW}")
    # Forget the backups that no later test can restore.
    for one in scene.vault.snapshots():
        if not set(oldest) & {tag.removeprefix("backup:") for tag in one["tags"]}:
            scene.vault.restic("forget", one["id"])


@pytest.mark.usefixtures("next_release")
def test_a_backup_comes_back_under_the_next_release_and_not_under_the_one_before(
    scene: Scene, host: Host
) -> None:
    """An older ledger is migrated to the newer schema; a newer one is refused, with what to do."""
    before, old = scene.state(), scene.vault.ids()[-1]
    drill().good()  # so that it is kept beside another one of the same day
    for index in scene.indices():
        scene.as_worker("DELETE", f"/{index}")
    restore("-e", f"backup={old}").good()
    assert scene.state() == before
    assert ledger(host) == str(NOW + 1)
    back_up().good()

    # Back to the previous release, whose ledger lacks the new step.
    play("playbooks/rollback.yml").good()
    refused = restore("-e", f"backup={old}").refused("version", "rollback.yml")
    assert scene.state() == before, refused.tail()
    ledger(host, "ALTER TABLE documents DROP COLUMN spare", f"PRAGMA user_version = {NOW}")
    refused = restore().refused(
        f"ledger has version {NOW + 1}", "playbooks/deploy.yml", "Nothing was changed"
    )
    assert scene.state() == before, refused.tail()
    restore("-e", f"backup={old}").good()
    assert scene.state() == before
