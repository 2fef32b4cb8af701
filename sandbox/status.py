"""The sandbox's parts and their health."""

from __future__ import annotations

from rich.table import Table

from sandbox import daemon, docker_api, lifecycle, parts
from sandbox.cloud import AwsApi, Cloud
from sandbox.docker_api import PART
from sandbox.settings import LABEL, Sandbox


def table(sandbox: Sandbox) -> tuple[Table, bool]:
    """Return a table of each part and its state, and whether all are healthy."""
    found = Table(title=f"Sandbox {sandbox.name}", title_justify="left")
    for column in ("part", "state", "detail"):
        found.add_column(column, overflow="fold")
    answers = parts.aws_answers(sandbox)
    loop = daemon.process(sandbox)
    registry = parts.registry_answers(sandbox)
    found.add_row("AWS APIs", _word(answers), sandbox.endpoint)
    found.add_row("registry", _word(registry), f"{sandbox.registry} ({sandbox.registry_address})")
    found.add_row("host loop", _word(loop is not None), f"pid {loop.pid}" if loop else "not running")
    cloud = AwsApi(sandbox).observe() if answers else Cloud()
    _hosts(found, sandbox, cloud)
    problems = lifecycle.problems(sandbox) if loop else {}
    for key, text in problems.items():
        found.add_row("problem", key, text)
    return found, answers and registry and loop is not None and not problems


def _hosts(found: Table, sandbox: Sandbox, cloud: Cloud) -> None:
    containers = docker_api.connect().containers.list(
        all=True, filters={"label": [f"{LABEL}={sandbox.name}", f"{PART}=host"]}
    )
    states = {container.labels[docker_api.INSTANCE]: container.status for container in containers}
    public = {address.instance_id: address.public_ip for address in cloud.addresses}
    for instance in cloud.live:
        detail = [instance.private_ip, public.get(instance.id, ""), *instance.volumes]
        found.add_row(
            f"host {instance.tags.get('Name', instance.id)}",
            f"{instance.state} (container {states.get(instance.id, 'not yet made')})",
            " ".join(part for part in detail if part),
        )


def _word(well: bool) -> str:
    return "answers" if well else "silent"
