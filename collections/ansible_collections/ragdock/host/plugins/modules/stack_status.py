#!/usr/bin/python
"""Ansible module: what runs on this host, since when, from which release; read-only."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: stack_status
short_description: What runs on this host, since when, from which release
description:
  - Reads containers, release, disk, memory, documents by state and the last backup. Changes nothing.
options:
  name: {description: Public name or address of the deployment., type: str, required: true}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Read the state
  ragdock.host.stack_status:
    name: "{{ verify_name }}"
"""

RETURN = r"""
services: {description: A row for each container., type: list, returned: success}
facts: {description: Pairs of name and value about the host., type: list, returned: success}
jobs: {description: A row for each job of the schedule., type: list, returned: success}
picture: {description: How the drills went., type: str, returned: success}
loss: {description: What a loss of the host would cost now., type: str, returned: success}
"""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError
from ansible_collections.ragdock.host.plugins.module_utils.endpoint import PublicEndpoint
from ansible_collections.ragdock.host.plugins.module_utils.https import UnreachableError
from ansible_collections.ragdock.host.plugins.module_utils.jobs import read_state
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Store
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    CheckError,
    Deployment,
    name_of,
    service_of,
)
from ansible_collections.ragdock.host.plugins.module_utils.verify.jobs import glance
from ansible_collections.ragdock.host.plugins.module_utils.verify.services import LOCAL, endpoint_ca, refused

GIB = 1 << 30
NO_BACKUP = "none yet: playbooks/backup.yml makes one"


def ago(when: str) -> str:
    """How long ago a time was that Docker or Ragdock wrote, in one unit."""
    # Docker writes nanoseconds, Python reads microseconds.
    moment = datetime.fromisoformat(when[:19]).replace(tzinfo=UTC)
    seconds = (datetime.now(UTC) - moment).total_seconds()
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} seconds"


def usage(deployment: Deployment) -> dict[str, tuple[str, str]]:
    """Memory and processor of each container, as the engine measures them."""
    form = "{{.Name}}\t{{.MemUsage}}\t{{.CPUPerc}}"
    names = [name_of(one) for one in deployment.containers]
    # One that ended in the meantime makes the command fail; the others are still reported.
    _code, out, _err = deployment.run(["docker", "stats", "--no-stream", "--format", form, *names])
    rows = (line.split("\t") for line in out.splitlines())
    return {name: (memory, cpu) for name, memory, cpu in rows}


def services(deployment: Deployment) -> Iterator[list[str]]:
    """A row for each container, by service."""
    measured = usage(deployment) if deployment.containers else {}
    for one in sorted(deployment.containers, key=service_of):
        state = one["State"]
        health = (state.get("Health") or {}).get("Status", "")
        memory, cpu = measured.get(name_of(one), ("-", "-"))
        since = ago(state["StartedAt"] if state["Running"] else state["FinishedAt"])
        digest = one["Config"]["Image"].partition("@sha256:")[2][:12] or one["Config"]["Image"]
        yield [service_of(one), f"{state['Status']} {health}".strip(), since, memory, cpu, digest]


def facts(deployment: Deployment) -> Iterator[list[str]]:
    """Release, host, documents, backup."""
    store = Store(deployment.root)
    current, previous = store.current(), store.previous()
    yield ["address", f"https://{deployment.name}/"]
    yield ["certificate", certificate(deployment)]
    yield ["release", current.id if current else "none: playbooks/deploy.yml makes one"]
    yield ["version", str(deployment.release.get("version", "unknown"))]
    yield ["made from", str(deployment.release.get("git_revision", "-"))]
    yield ["before it", previous.id if previous else "none"]
    for name, path in (("data volume", deployment.root), ("root volume", Path("/"))):
        disk = shutil.disk_usage(path)
        yield [name, f"{disk.used / GIB:.1f} of {disk.total / GIB:.1f} GiB used"]
    memory = {
        line.split(":")[0]: int(line.split()[1]) / 1024
        for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    }
    yield ["memory", f"{memory['MemAvailable']:.0f} of {memory['MemTotal']:.0f} MiB available"]
    yield ["documents", documents(deployment)]
    yield ["last backup", last_backup(deployment.root)]


def certificate(deployment: Deployment) -> str:
    """Who issued the endpoint's certificate, and how long it is valid."""
    try:
        endpoint = PublicEndpoint(deployment.name, LOCAL, 443, endpoint_ca(deployment), "")
        shown = endpoint.certificate(deployment.timeout)
        return f"{shown}{refused(deployment, shown)}"
    except (CheckError, OSError) as error:
        return f"unknown: {error}"


def documents(deployment: Deployment) -> str:
    """Documents by state, as the app counts them."""
    try:
        token, ca = deployment.secret("rag-app", "api_token"), endpoint_ca(deployment)
        reply = PublicEndpoint(deployment.name, LOCAL, 443, ca, token).ask(
            "GET", "/api/status", timeout=deployment.timeout
        )
    except (CheckError, UnreachableError, OSError) as error:
        return f"unknown: {error}"
    counts = reply.json().get("documents", {})
    return ", ".join(f"{count} {state}" for state, count in counts.items()) or f"unknown: {reply.excerpt()}"


def last_backup(root: Path) -> str:
    """When the last backup was made and how it ended."""
    entry = read_state(root, "backup")
    if not entry:
        return NO_BACKUP
    outcome = "good" if entry["ok"] else f"FAILED; the last good one: {entry['last_success'] or 'none'}"
    return f"{entry['ended']}, {outcome}"


def main() -> None:
    """Read and report."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "name": {"type": "str", "required": True},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    deployment = Deployment(Path(wanted["root"]), wanted["name"], wanted["project"])
    try:
        deployment.read()
        rows, about = list(services(deployment)), list(facts(deployment))
        jobs, drills, lost = glance(deployment.root)
    except (CheckError, EngineError, OSError, ValueError) as error:
        module.fail_json(
            msg=f"State cannot be read: {error}. Is the host configured? playbooks/configure.yml"
        )
    module.exit_json(changed=False, services=rows, facts=about, jobs=jobs, picture=drills, loss=lost)


if __name__ == "__main__":
    main()
