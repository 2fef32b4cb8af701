"""host_system: reads the state of systemd units and decides what to do."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.host import services
from tests.unit.host.conftest import Runner

SHOWN = """\
LoadState=loaded
ActiveState=active
UnitFileState=enabled
ConditionResult=yes
ConditionTimestamp=Mon 2026-11-23 14:00:00.000001 UTC
NeedDaemonReload=no
StateChangeTimestamp=Mon 2026-11-23 14:18:16.250000 UTC

LoadState=loaded
ActiveState=inactive
UnitFileState=enabled
ConditionResult=no
ConditionTimestamp=Mon 2026-11-23 14:00:00.000001 UTC
NeedDaemonReload=yes
StateChangeTimestamp=

LoadState=not-found
ActiveState=inactive
UnitFileState=
ConditionResult=no
ConditionTimestamp=
NeedDaemonReload=no
StateChangeTimestamp=
"""
NAMES = ["docker.service", "systemd-timesyncd.service", "missing.service"]


@pytest.fixture
def units() -> dict[str, Any]:
    """The three units of the text above."""
    parsed: dict[str, Any] = services.parse_show(SHOWN, NAMES)
    return parsed


def settle(unit: Any, **expected: Any) -> list[str]:
    """The actions that a dry run reports for the unit."""
    defaults = {"enabled": True, "optional": False, "state": "running", "reads": [], "holds": []}
    job = services.HostServices(Runner(check_mode=True), [])
    job.settle({"name": unit.name, "on_change": "restart", **defaults, **expected}, unit)
    return [action.split(" - ")[0] for action in job.actions]


def test_times_are_exact(units: dict[str, Any]) -> None:
    assert units["docker.service"].since == pytest.approx(1795443496.25)


def test_a_unit_off_by_its_conditions_is_distinguished_from_a_stopped_one(units: dict[str, Any]) -> None:
    assert units["systemd-timesyncd.service"].kept_off
    assert not units["missing.service"].kept_off
    assert settle(units["systemd-timesyncd.service"]) == []


def test_changed_unit_file_is_noticed(units: dict[str, Any]) -> None:
    assert [unit.stale for unit in units.values()] == [False, True, False]


@pytest.mark.parametrize(("age", "actions"), [(-60, []), (60, ["restart docker.service"])])
def test_unit_restarts_only_for_a_file_changed_since(
    units: dict[str, Any], tmp_path: Path, age: int, actions: list[str]
) -> None:
    file = tmp_path / "daemon.json"
    file.touch()
    moment = units["docker.service"].since + age
    os.utime(file, (moment, moment))
    assert settle(units["docker.service"], reads=[str(file)]) == actions


@pytest.mark.parametrize(("command", "actions"), [("true", []), ("false", ["restart docker.service"])])
def test_lost_effect_is_brought_back(units: dict[str, Any], command: str, actions: list[str]) -> None:
    assert settle(units["docker.service"], holds=[command]) == actions


def test_running_unit_that_must_not_run_is_stopped(units: dict[str, Any]) -> None:
    assert settle(units["docker.service"], enabled=False, state="stopped") == [
        "disable docker.service",
        "stop docker.service",
    ]


def test_optional_unit_may_be_missing(units: dict[str, Any]) -> None:
    assert settle(units["missing.service"], optional=True) == []
    assert settle(units["missing.service"]) == ["start missing.service"]
