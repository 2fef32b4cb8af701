"""A restore changes ledger tables with the worker's image; the collection only reads and copies them."""

from __future__ import annotations

import ast
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils import ledger
from ansible_collections.ragdock.host.plugins.module_utils.docker import Container, Engine
from ansible_collections.ragdock.host.plugins.module_utils.restore import ledger as changes
from rag_core.ledger import Ledger, document_id, schema
from rag_core.models import DocumentKind, DocumentState

CHECKOUT = Path(__file__).parents[3]
PLUGINS = CHECKOUT / "collections/ansible_collections/ragdock/host/plugins"
LIBRARIES = [str(CHECKOUT / "services" / name / "src") for name in ("rag_core", "rag-worker")]
WORKER = Container("1", "rag-worker", "rag-worker", "", "exited", "none", 0, False, 0, "worker@sha256:1", "")
Words = tuple[str, ...]


class Here(Engine):
    """Runs the containers' commands on this machine, with the host's paths in place of the mounts."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[Words] = []
        self.workers = [WORKER]
        self.stderr = ""

    def containers(self) -> list[Container]:
        return self.workers

    def run(self, *args: str, timeout: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        self.commands.append(args)
        if args[0] != "run":
            return subprocess.CompletedProcess(args, 0, "", "")
        if self.stderr:
            return subprocess.CompletedProcess(args, 1, "", self.stderr)
        volumes = [one.removeprefix("--volume=") for one in args if one.startswith("--volume=")]
        mounts = {inside: outside for outside, inside in (one.split(":") for one in volumes)}
        words = args[args.index(WORKER.image) + 1 :]
        for inside, outside in mounts.items():
            words = tuple(re.sub(f"^{inside}/", f"{outside}/", one) for one in words)
        return subprocess.run(
            [sys.executable, *words],
            env={**os.environ, "PYTHONPATH": ":".join(LIBRARIES)},
            capture_output=True,
            text=True,
            check=False,
        )


def bring(path: Path, *names: str, ready: bool = True) -> Ledger:
    """Create a ledger with documents of these names."""
    found = Ledger(path)
    for name in names:
        sha = name.encode().hex().ljust(64, "0")
        found.enqueue(sha256=sha, kind=DocumentKind.TEXT, size=3, name=name, source=Path(f"/data/raw/{name}"))
    while ready and (job := found.claim("w", 60)) is not None:
        found.ready(job.document.id, "w", pages=1, chunks=2)
    return found


def states(found: Ledger) -> dict[str, DocumentState]:
    """Document name -> state."""
    return {one.name: one.state for one in found.list()}


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Ledger]:
    """The stack's live ledger."""
    (tmp_path / "data").mkdir()
    with closing(bring(tmp_path / "data" / "ledger.sqlite3", "a", "b")) as found:
        yield found


@pytest.fixture
def backup(live: Ledger, tmp_path: Path) -> Path:
    """An earlier copy of the same ledger."""
    ledger.copy(tmp_path / "data" / "ledger.sqlite3", tmp_path / "backup.sqlite3")
    return tmp_path / "backup.sqlite3"


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Here:
    monkeypatch.setattr(shutil, "chown", lambda *_unused: None)
    return Here()


@pytest.fixture
def made(here: Here, tmp_path: Path) -> changes.LedgerChanges:
    return changes.LedgerChanges(here, tmp_path / "data" / "ledger.sqlite3", tmp_path / "shared")


def test_the_live_ledger_gets_the_content_of_the_backup(
    live: Ledger, backup: Path, made: changes.LedgerChanges
) -> None:
    """What was added since the restore began stays, unless an exact restore was requested."""
    bring(live._path, "later", ready=False).close()
    assert made.replace(backup, since=0) == 1
    assert states(live) == dict.fromkeys("ab", DocumentState.READY) | {"later": DocumentState.QUEUED}
    assert made.replace(backup, since=2e10, exact=True) == 0
    assert states(live) == dict.fromkeys("ab", DocumentState.READY)


def test_the_index_of_the_backup_decides_what_is_read_again(
    live: Ledger, backup: Path, made: changes.LedgerChanges
) -> None:
    bring(live._path, "later").close()
    assert made.fit_to_index(backup) == (1, [])
    assert states(live)["later"] is DocumentState.QUEUED


@pytest.mark.parametrize(("paths", "count"), [(None, 2), (["/data/raw/a"], 1)])
def test_lost_documents_are_queued_again(
    live: Ledger, backup: Path, made: changes.LedgerChanges, paths: Sequence[str] | None, count: int
) -> None:
    for name in ("a", "b"):
        live.request_delete(document_id(name.encode().hex().ljust(64, "0")))
        job = live.claim("w", 60)
        assert job is not None
        live.deleted(job.document.id, "w", lambda _paths: None)
    assert made.bring_back(backup, paths) == count


def test_an_older_ledger_is_migrated_where_it_is(tmp_path: Path, made: changes.LedgerChanges) -> None:
    path = tmp_path / "old.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        for statement in schema.STEPS[0].split(";"):
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")
    made.migrate(path)
    assert ledger.facts(path).version == len(schema.STEPS)


def test_the_container_has_no_network_no_rights_and_ends_before_the_next_one(
    backup: Path, made: changes.LedgerChanges, here: Here
) -> None:
    """A killed run's container may still be running; only the worker can read its files."""
    made.bring_back(backup)
    swept, words = here.commands
    assert swept == ("rm", "--force", changes.NAME)
    for option in ("--network=none", "--read-only", "--cap-drop=ALL", "--user=10001:10001", "--pull=never"):
        assert option in words
    assert not made.shared.exists()


def test_a_refusal_is_passed_on_and_nothing_is_left(
    live: Ledger, backup: Path, made: changes.LedgerChanges
) -> None:
    with closing(sqlite3.connect(backup)) as db:
        db.execute("ALTER TABLE documents ADD COLUMN colour TEXT")
    with pytest.raises(ledger.LedgerError, match="another version of Ragdock"):
        made.replace(backup, since=0)
    assert not made.shared.exists()


@pytest.mark.parametrize("missing", ["container", "code"])
def test_a_release_that_cannot_do_it_is_named_with_what_to_do(
    backup: Path, made: changes.LedgerChanges, here: Here, missing: str
) -> None:
    if missing == "container":
        here.workers = [replace(WORKER, service="rag-app")]
    here.stderr = f"/venv/bin/python: No module named {changes.PROGRAM}"
    with pytest.raises(ledger.LedgerError, match=r"playbooks/deploy\.yml"):
        made.migrate(backup)


def test_a_copy_has_the_ledgers_content(backup: Path) -> None:
    assert ledger.facts(backup) == ledger.Facts(len(schema.STEPS), 2)
    assert backup.stat().st_mode & 0o777 == 0o600


def test_a_damaged_copy_is_recognised(backup: Path) -> None:
    data = bytearray(backup.read_bytes())
    data[4096:8192] = b"\xff" * 4096
    backup.write_bytes(data)
    with pytest.raises(ledger.LedgerError):
        ledger.facts(backup)


WRITES = re.compile(
    r"\b(INSERT\s+(OR\s+\w+\s+)?INTO|REPLACE\s+INTO|UPDATE\s+\S+\s+SET|DELETE\s+FROM|ALTER\s+TABLE"
    r"|(CREATE|DROP)\s+(TEMP\s+)?(TABLE|INDEX|VIEW|TRIGGER)|VACUUM|PRAGMA\s+\w+\s*=)",
    re.IGNORECASE,
)
# This statement turns a copy into one file: it changes the header, and no table of a ledger.
ALLOWED = "PRAGMA journal_mode = DELETE"


def statements(source: str) -> list[str]:
    """The strings of a program that would change a database."""
    texts = [one.value for one in ast.walk(ast.parse(source)) if isinstance(one, ast.Constant)]
    return [one for one in texts if isinstance(one, str) and WRITES.search(one) and one != ALLOWED]


def test_the_collection_writes_no_sql() -> None:
    """Code that changes a table belongs in rag_core, which runs in the worker's image."""
    found = {path.name: statements(path.read_text()) for path in PLUGINS.rglob("*.py")}
    assert {name: texts for name, texts in found.items() if texts} == {}
    own = CHECKOUT / "services/rag_core/src/rag_core/ledger/restoring.py"
    assert len(statements(own.read_text())) > 10, "the pattern finds statements where there are some"
