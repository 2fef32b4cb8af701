"""Checks for drift: the host runs what was deployed, and the scheduled jobs run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils import jobs as records
from ansible_collections.ragdock.host.plugins.module_utils import schedule
from ansible_collections.ragdock.host.plugins.module_utils.docker import HASH_LABEL, docker, specs_of
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Release, Store, content_hash
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    CheckError,
    Deployment,
    Row,
    judged,
    service_of,
)

AREA = "drift"
AGAIN = "It was changed on the host. playbooks/deploy.yml restores what was deployed."
SCHEDULE = Path("/etc/ragdock/schedule.json")
PROVEN_BY_DRIFT = ("backup", "drill", "patch", "prune", "renew", "keys")


def serving(deployment: Deployment) -> Release:
    """The release that serves."""
    release = Store(deployment.root).current()
    if release is None:
        raise CheckError("no release serves: run playbooks/deploy.yml")
    return release


def release_files(deployment: Deployment) -> Iterator[Row]:
    """The release's files match the hash in its record."""
    release = serving(deployment)
    files = release.files()
    same = content_hash(files) == release.record["content"]
    offenders = [] if same else [f"the {len(files)} files of {release.id} are not those of its record"]
    yield judged(AREA, "the release's files are as deployed", offenders, f"{len(files)} files", AGAIN)


def live_config(deployment: Deployment) -> Iterator[Row]:
    """The services' configuration is that of the release."""
    files = serving(deployment).files()
    expected = {name: text for name, text in files.items() if name.startswith("config/")}
    offenders = [
        f"{deployment.root / name} differs"
        for name, text in sorted(expected.items())
        # Only the pins of a rolling update change there while a release serves.
        if "/upstreams/" not in name
        and (
            not (deployment.root / name).is_file()
            or (deployment.root / name).read_text(encoding="utf-8") != text
        )
    ]
    yield judged(
        AREA, "services read the release's configuration", offenders, f"{len(expected)} files", AGAIN
    )


def container_specs(deployment: Deployment) -> Iterator[Row]:
    """Each container was made from the release's compose file."""
    release = serving(deployment)
    words = ["--project-name", deployment.project, "--project-directory", str(release.path)]
    expected = specs_of(docker(deployment.run, "compose", *words, "config", "--hash", "*"))
    offenders = [
        f"{one['Name'].lstrip('/')} was not made from {release.id}"
        for one in deployment.containers
        if (one["Config"].get("Labels") or {}).get(HASH_LABEL) != expected.get(service_of(one))
    ]
    there = {service_of(one) for one in deployment.containers}
    offenders += [f"service {name} has no container" for name in sorted(set(expected) - there)]
    figure = f"{len(deployment.containers)} containers"
    yield judged(AREA, "containers are those of the release", offenders, figure, AGAIN)


def jobs(deployment: Deployment) -> Iterator[Row]:
    """No job's last success is older than its schedule allows."""
    if not SCHEDULE.is_file():
        raise CheckError(f"{SCHEDULE} is not there: run playbooks/configure.yml")
    plan = json.loads(SCHEDULE.read_text(encoding="utf-8"))["jobs"]
    since, now = datetime.fromtimestamp(SCHEDULE.stat().st_mtime, UTC), datetime.now(UTC)
    late, on_time = [], 0
    for job in PROVEN_BY_DRIFT:
        times = schedule.parse(plan[job]["schedule"]) if job in plan else None
        if times is None:
            continue
        state = records.read_state(deployment.root, job)
        if schedule.overdue(times, state, since, now):
            late.append(f"{job} last succeeded {state.get('last_success') or 'never'}")
        else:
            on_time += 1
    hint = "/var/log/ragdock/<job>.log on the host shows why; `ragdock-job <job>` there runs it now."
    yield judged(AREA, "every job succeeded as often as scheduled", late, f"{on_time} on time", hint)
