"""systemd units: enabled, running, and up to date with their files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.commands import Changes
from ansible_collections.ragdock.host.plugins.module_utils.host.errors import HostError

PROPERTIES = (
    "LoadState,ActiveState,UnitFileState,ConditionResult,ConditionTimestamp,"
    "NeedDaemonReload,StateChangeTimestamp"
)
# Unit file states in which "enable" has nothing to do.
ENABLED_ENOUGH = frozenset({"enabled", "static", "indirect", "generated", "alias", "transient"})


class ServicesError(HostError):
    """A unit that does not reach its state."""


@dataclass(frozen=True)
class Unit:
    """What systemd knows of one unit."""

    name: str
    load: str
    active: str
    file: str
    kept_off: bool
    stale: bool
    since: float

    @property
    def exists(self) -> bool:
        """Whether there is anything to start."""
        return self.load not in {"not-found", ""}

    @property
    def running(self) -> bool:
        """Whether it runs; a one-shot that remains after exit does too."""
        return self.active in {"active", "reloading", "activating"}


def parse_time(text: str) -> float:
    """Seconds since the epoch of "Mon 2026-11-23 14:18:16.123456 UTC"; never: 0."""
    if not text:
        return 0.0
    moment = datetime.strptime(text.removesuffix(" UTC"), "%a %Y-%m-%d %H:%M:%S.%f")
    return moment.replace(tzinfo=UTC).timestamp()


def parse_show(output: str, names: list[str]) -> dict[str, Unit]:
    """Units by name, from `systemctl show`, which prints one block for each, in the order asked."""
    units: dict[str, Unit] = {}
    for name, block in zip(names, output.strip().split("\n\n"), strict=True):
        fields = dict(line.split("=", 1) for line in block.splitlines() if "=" in line)
        units[name] = Unit(
            name=name,
            load=fields.get("LoadState", ""),
            active=fields.get("ActiveState", ""),
            file=fields.get("UnitFileState", ""),
            kept_off=bool(fields.get("ConditionTimestamp")) and fields.get("ConditionResult") == "no",
            stale=fields.get("NeedDaemonReload", "no") == "yes",
            since=parse_time(fields.get("StateChangeTimestamp", "")),
        )
    return units


def newer(paths: list[str], since: float) -> str | None:
    """The first of these files that changed after that time."""
    for path in paths:
        file = Path(path)
        if file.exists() and file.stat().st_mtime > since:
            moment = datetime.fromtimestamp(file.stat().st_mtime, UTC)
            return f"{path} changed at {moment:%H:%M:%S} UTC, after the unit read it"
    return None


class HostServices:
    """One call's work."""

    def __init__(self, module: Changes, actions: list[str]) -> None:
        self.module = module
        self.actions = actions

    def systemctl(self, *words: str) -> str:
        """Run systemctl; raise ServicesError if it fails."""
        code, out, err = self.module.run_command(["systemctl", *words])
        if code:
            raise ServicesError(f"`systemctl {' '.join(words)}` failed: {(err or out).strip()}.")
        return str(out)

    def show(self, names: list[str]) -> dict[str, Unit]:
        """Read all units from systemd at once."""
        out = self.systemctl("show", "--timestamp=us+utc", f"--property={PROPERTIES}", "--", *names)
        return parse_show(out, names)

    def act(self, verb: str, unit: str, reason: str) -> None:
        """Do it and report it; in check mode only report it."""
        self.actions.append(f"{verb} {unit} - {reason}")
        if self.module.check_mode:
            return
        code, out, err = self.module.run_command(["systemctl", verb, unit])
        if code:
            _code, journal, _err = self.module.run_command(
                ["journalctl", "--no-pager", "--lines=15", "--output=cat", f"--unit={unit}"]
            )
            raise ServicesError(
                f"{unit} did not {verb} ({reason}): {(err or out).strip()}. Its last "
                f"lines:\n{journal.strip()}\n"
                f"See `systemctl status {unit}` on the host, correct the cause, then run again."
            )

    def settle(self, entry: dict[str, Any], unit: Unit) -> None:
        """Bring one unit to its state."""
        name = entry["name"]
        if entry["optional"]:
            if unit.running:
                self.refresh(entry, unit)
            return
        if not unit.exists:
            if self.module.check_mode:
                # A dry run on a new host: the package or file of the unit is not installed yet.
                self.actions.append(f"start {name} - it is not installed yet")
                return
            raise ServicesError(
                f"{name} is not known to systemd; the package or file that provides it is missing."
            )
        self.enable(entry, unit)
        if entry["state"] == "any":
            return
        if entry["state"] == "stopped":
            if unit.running:
                self.act("stop", name, "it must not run")
        elif not unit.running:
            if unit.kept_off:
                # systemd's own conditions keep it off here: there is nothing to repair.
                return
            self.act("start", name, f"it was {unit.active}")
        else:
            self.refresh(entry, unit)

    def enable(self, entry: dict[str, Any], unit: Unit) -> None:
        """Enable or disable its start at boot."""
        if entry["enabled"] and unit.file not in ENABLED_ENOUGH:
            if unit.file == "masked":
                self.act("unmask", entry["name"], "it was masked")
            self.act("enable", entry["name"], f"it was {unit.file or 'not enabled'}")
        elif not entry["enabled"] and unit.file == "enabled":
            self.act("disable", entry["name"], "it must not start at boot")

    def refresh(self, entry: dict[str, Any], unit: Unit) -> None:
        """Restart or reload a running unit if what it reads has changed since it started."""
        reason = newer(entry["reads"], unit.since)
        if reason:
            self.act(entry["on_change"], entry["name"], reason)
        elif entry["holds"] and self.module.run_command(entry["holds"])[0]:
            self.act(
                entry["on_change"], entry["name"], f"`{' '.join(entry['holds'])}` says its effect is gone"
            )

    def run(self, entries: list[dict[str, Any]]) -> None:
        """All units, in order; systemd first reads unit files that changed."""
        names = [entry["name"] for entry in entries]
        units = self.show(names)
        if any(unit.stale for unit in units.values()) and not self.module.check_mode:
            self.systemctl("daemon-reload")
            units = self.show(names)
        for entry in entries:
            self.settle(entry, units[entry["name"]])
