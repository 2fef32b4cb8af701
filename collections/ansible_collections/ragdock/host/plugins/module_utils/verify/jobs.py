"""The jobs at a glance: when each last succeeded, what it verified, when it is due, and how drills went."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils import jobs as records
from ansible_collections.ragdock.host.plugins.module_utils import schedule

SCHEDULE = Path("/etc/ragdock/schedule.json")
BARS = "▁▂▃▄▅▆▇█"
FAILED = "✗"
RUNS_SHOWN = 26
LOST = "lost if the host were lost now"
UNITS = (("days", 86400), ("hours", 3600), ("minutes", 60))


def span(seconds: float) -> str:
    """A length of time in one unit."""
    for unit, size in UNITS:
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def verified(job: str, figures: Mapping[str, Any]) -> str:
    """Describe what a successful run showed."""
    known = {name: value for name, value in figures.items() if value not in ("", None)}
    if job == "backup" and "bytes" in known:
        new = int(known.get("bytes_added", 0)) / (1 << 20)
        return (
            f"{known.get('documents', 0)} passages and {known.get('files', 0)} files kept, {new:.1f} MiB new"
        )
    if job == "drill" and "rto_seconds" in known:
        return f"{known.get('backup', 'a backup')} restored and equal in {span(float(known['rto_seconds']))}"
    if job == "patch" and "packages" in known:
        again = ", restarted" if known.get("restarted") else ""
        return f"{known['packages']} packages patched{again}, all checks passed"
    if job == "prune" and "images" in known:
        return f"{known.get('releases', 0)} releases and {known['images']} images removed"
    if job == "renew" and "first_end_days" in known:
        return f"{known['renewed']} certificates renewed, the first ends in {known['first_end_days']} days"
    if job == "keys" and "valid_minutes" in known:
        return f"{known['keys']} keys made, each valid for {known['valid_minutes']} minutes"
    # Records from before 0.2.0 call the figure `held`.
    if job == "drift" and (passed := known.get("passed", known.get("held"))) is not None:
        return f"{passed} checks passed"
    return ", ".join(f"{name} {value}" for name, value in list(known.items())[:3])


def last_good(root: Path, job: str, state: Mapping[str, Any]) -> Mapping[str, Any]:
    """Figures of the last run that succeeded."""
    if state.get("ok"):
        return dict(state.get("figures", {}))
    good = [entry for entry in records.read_history(root, job) if entry.get("ok")]
    return dict(good[-1].get("figures", {})) if good else {}


def last_run(state: Mapping[str, Any], now: datetime) -> str:
    """How the last run ended, and why when it failed."""
    ended = schedule.moment(state.get("ended"))
    if ended is None:
        return "never"
    if state["ok"]:
        return f"good, {span((now - ended).total_seconds())} ago"
    reason = str(state.get("reason", "")).strip().splitlines()
    return f"FAILED: {reason[0] if reason else 'without a reason'}"


def plan_of(path: Path = SCHEDULE) -> dict[str, Any]:
    """The jobs of the schedule; empty on a host without one."""
    return dict(json.loads(path.read_text(encoding="utf-8"))["jobs"]) if path.is_file() else {}


def job_rows(root: Path, plan: Mapping[str, Any], since: datetime, now: datetime) -> Iterator[list[str]]:
    """A row for each job of the schedule, and for those that were run without one."""
    for job in records.JOBS:
        state = records.read_state(root, job)
        times = schedule.parse(plan[job]["schedule"]) if job in plan else None
        if not state and job not in plan:
            continue
        success = schedule.moment(state.get("last_success"))
        when = f"{span((now - success).total_seconds())} ago" if success else "never"
        late = times is not None and schedule.overdue(times, state, since, now)
        due = f"{times.after(now):%a %d %b %H:%M} UTC" if times else "not scheduled"
        yield [
            job,
            f"{when} OVERDUE" if late else when,
            verified(job, last_good(root, job, state)) or "-",
            last_run(state, now),
            due,
        ]


def picture(history: Sequence[Mapping[str, Any]]) -> str:
    """Drills as bars of their restore time, the newest at the right; a cross for one that failed."""
    shown = list(history)[-RUNS_SHOWN:]
    if not shown:
        return "drills  none yet: playbooks/drill.yml makes one"
    times = [float(one.get("figures", {}).get("rto_seconds", 0)) for one in shown if one.get("ok")]
    most = max(times, default=0) or 1
    bars = "".join(
        BARS[round(float(one.get("figures", {}).get("rto_seconds", 0)) / most * (len(BARS) - 1))]
        if one.get("ok")
        else FAILED
        for one in shown
    )
    first, last = str(shown[0].get("ended", "?"))[:10], str(shown[-1].get("ended", "?"))[:10]
    figures = f"restored in {min(times):.0f} to {max(times):.0f} s" if times else "none restored"
    good = f"{len(times)} of {len(shown)} verified their backup"
    return f"drills  {bars}  {good}, {figures} ({first} to {last})"


def moment_of(backup: object) -> datetime | None:
    """When a backup was made, from its id."""
    try:
        return datetime.strptime(str(backup), "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
    except ValueError:
        return None


def loss(newest: object, drilled: object, now: datetime) -> str:
    """What a loss of the host would cost now; from ids of the newest backup and the newest drilled one."""
    made = moment_of(newest)
    if made is None:
        return f"{LOST}: everything, for there is no backup: playbooks/backup.yml makes one"
    words = f"{LOST}: what came in the last {span((now - made).total_seconds())}"
    known_good = moment_of(drilled)
    if known_good is None:
        return f"{words}; no drill has verified a backup yet: playbooks/drill.yml does"
    if known_good == made:
        return f"{words}; a drill has verified that backup"
    age = span((now - known_good).total_seconds())
    return f"{words}; the newest backup that a drill verified is {age} old"


def glance(root: Path) -> tuple[list[list[str]], str, str]:
    """Rows, picture, and what a loss would cost now."""
    plan, now = plan_of(), datetime.now(UTC)
    since = datetime.fromtimestamp(SCHEDULE.stat().st_mtime, UTC) if SCHEDULE.is_file() else now
    newest, drilled = (
        last_good(root, job, records.read_state(root, job)).get(key)
        for job, key in (("backup", "id"), ("drill", "backup"))
    )
    rows = list(job_rows(root, plan, since, now))
    return rows, picture(records.read_history(root, "drill")), loss(newest, drilled, now)
