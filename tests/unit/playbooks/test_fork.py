"""A task's process is not slowed down by what the main process has in memory."""

from __future__ import annotations

import gc

from ansible_collections.ragdock.host.plugins.callback.fork import CallbackModule


def test_a_task_starts_with_nothing_for_the_collector_to_search() -> None:
    gc.unfreeze()
    try:
        CallbackModule().v2_playbook_on_task_start(None, False)
        assert gc.get_freeze_count() > 10_000
        assert sum(gc.get_count()) < 1000
        assert len(gc.get_objects()) < 1000
    finally:
        gc.unfreeze()
