"""No run is silent: a long task reports that it is alive, and the end shows where the time went."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from ansible_collections.ragdock.host.plugins.callback.progress import HEARTBEAT_SECONDS

COLLECTIONS = Path(__file__).parents[3] / "collections"
PROMISED_SILENCE_SECONDS = 20
# Replaces ansible-playbook's main process while a task takes five heartbeats.
RUN = """
import time
from types import SimpleNamespace
from ansible_collections.ragdock.host.plugins.callback.progress import CallbackModule

def named(name):
    return SimpleNamespace(get_name=lambda: name)

progress = CallbackModule(heartbeat_seconds=0.2)
progress.v2_playbook_on_play_start(named("Build"))
progress.v2_playbook_on_task_start(named("Build and push images"), False)
time.sleep(1)
progress.v2_playbook_on_play_start(named("Deploy"))
progress.v2_playbook_on_task_start(named("Start the release"), False)
progress.v2_playbook_on_stats(None)
"""


def test_a_long_task_beats_and_the_end_shows_the_time_of_each_stage() -> None:
    """A quick task gets no heartbeat: its name has just been printed."""
    output = subprocess.run(
        [sys.executable, "-c", RUN], cwd=COLLECTIONS, capture_output=True, text=True, check=True
    ).stdout
    assert output.count("... Build and push images (") >= 2
    assert "... Start the release" not in output
    _, _, table = output.partition("TIME")
    assert [line.split(maxsplit=2)[2] for line in table.splitlines()[1:4]] == [
        "Build",
        "Deploy",
        "in all, 2 tasks",
    ]
    assert "of it: Build and push images" in table


def test_the_beat_is_shorter_than_the_documented_silence() -> None:
    """The documented limit is 20 seconds; the clock is checked ten times per heartbeat."""
    assert HEARTBEAT_SECONDS * 1.1 < PROMISED_SILENCE_SECONDS - 2
