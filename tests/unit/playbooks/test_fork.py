"""A task's process searches nothing that the main process has in memory, and imports no filter again."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

from ansible_collections.ragdock.host.plugins.callback.fork import CallbackModule

ROOT = Path(__file__).parents[3]
FILTERS = ROOT / "collections/ansible_collections/ragdock/host/plugins/filter"
# Ansible loads callbacks after it has made collections importable.
START = """
import sys
from ansible.plugins.loader import init_plugin_loader
init_plugin_loader(sys.argv[1:])
from ansible_collections.ragdock.host.plugins.callback.fork import CallbackModule
CallbackModule().v2_playbook_on_start(None)
print(*(name for name in sys.modules if ".plugins.filter." in name))
"""


def test_a_task_starts_with_nothing_for_the_collector_to_search() -> None:
    gc.unfreeze()
    try:
        CallbackModule().v2_playbook_on_task_start(None, False)
        assert gc.get_freeze_count() > 10_000
        assert sum(gc.get_count()) < 1000
        assert len(gc.get_objects()) < 1000
    finally:
        gc.unfreeze()


def test_every_filter_is_imported_before_the_first_task() -> None:
    command = [sys.executable, "-c", START, str(ROOT / "collections")]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wanted = {one.stem for one in FILTERS.glob("*.py")} - {"__init__"}
    assert {name.rpartition(".")[2] for name in done.stdout.split()} >= wanted
