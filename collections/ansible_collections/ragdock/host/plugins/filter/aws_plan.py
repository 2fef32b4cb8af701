"""Tables that show what site.yml would make or change in AWS, who may reach it, and its monthly cost."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.aws.compare import ABSENT, SURPLUS
from ansible_collections.ragdock.host.plugins.module_utils.tables import columns

EVERYBODY = "0.0.0.0/0"
VERBS = {ABSENT: "make", SURPLUS: "remove"}
WEEKS_A_MONTH = 365 / 12 / 7


def aws_plan(wanted: Mapping[str, Any], differs: Mapping[str, list[str]]) -> list[str]:
    """One line for each thing that would be made or changed."""
    rows = []
    for name in sorted({*wanted, *differs}):
        for number, line in enumerate(differs.get(name, [])):
            verb = VERBS.get(line, "change")
            rows.append(
                (verb if not number else "", name if not number else "", line if verb == "change" else "")
            )
    return (
        columns([("would", "resource", "difference"), *rows])
        if rows
        else ["Nothing: AWS matches the settings."]
    )


def aws_resources(owned: Sequence[Mapping[str, str]], kinds: Collection[str], key: str = "") -> list[str]:
    """One line for each resource of a deployment; those of KINDS, and the KEY of the backups, are kept."""
    rows = []
    for item in owned:
        kept = item["kind"] in kinds or item["id"] == key
        rows.append(("keep" if kept else "DESTROY", item["kind"], item["id"], item["detail"]))
    return columns(rows)


def aws_reach(ranges: list[str], authority: str, domain: str) -> list[str]:
    """Who may reach the endpoint and who issues its certificate; AUTHORITY is empty for our own CA."""
    if EVERYBODY in ranges:
        reach = "everybody (ragdock_allowed_cidrs): only the login keeps others out"
    else:
        reach = f"{', '.join(ranges)}, nobody else"
    rows = [("may connect", reach)]
    if authority and EVERYBODY not in ranges:
        rows.append(("port 80", "open to everybody, but answers others with the authority's challenge only"))
    own = "the deployment's own CA, which browsers do not know"
    if authority and domain:
        rows.append(("certificate", f"{authority}, which publishes the name {domain}"))
    elif authority:
        rows.append(("certificate", f"{authority}, which publishes the address; while it refuses, {own}"))
    else:
        rows.append(("certificate", own))
    return columns(rows)


def aws_costs(prices: Mapping[str, Any], host: Mapping[str, Any]) -> list[str]:
    """The monthly estimate, item by item; a type without a price is listed as such."""
    hours, assumed = prices["hours_per_month"], prices["assumed"]
    disks = host["root_gib"] + host["data_gib"]
    hourly = prices["instance_hour"].get(host["type"])
    items: list[tuple[str, float | None]] = [
        (f"host {host['type']}, on demand", hourly * hours if hourly else None),
        (f"disks, {disks} GiB gp3", disks * prices["gp3_gib_month"]),
        ("public IPv4 address", prices["public_address_hour"] * hours),
        (f"images, {assumed['images_gib']} GiB assumed", assumed["images_gib"] * prices["ecr_gib_month"]),
        (f"alarms, {host['alarms']}", host["alarms"] * prices["alarm_month"]),
    ]
    if host["bucket"]:
        items.append(
            (f"backups, {assumed['backup_gib']} GiB assumed", assumed["backup_gib"] * prices["s3_gib_month"])
        )
    if host["monitoring"]:
        items.append(("detailed monitoring", prices["detailed_metrics"] * prices["detailed_metric_month"]))
    if host["domain"]:
        items.append(("hosted zone", prices["hosted_zone_month"]))
    items += _model_host(prices, host.get("model_host") or {})
    rows = [(name, "no price known" if cost is None else f"{cost:8.2f}") for name, cost in items]
    total = sum(cost for _unused, cost in items if cost is not None)
    partial = " and what has no price" if any(cost is None for _unused, cost in items) else ""
    lines = columns([*rows, ("in all" + partial, f"{total:8.2f}")])
    if burst := prices["burstable"].get(host["type"]):
        most = burst["vcpus"] * (1 - burst["baseline"]) * hours * prices["surplus_vcpu_hour"]
        lines.append(
            f"Up to {most:.2f} more when the host computes without a pause: a {host['type']} includes "
            f"{burst['baseline']:.0%} of its processors, and AWS charges for the rest (unlimited credits)."
        )
    return lines


def _model_host(prices: Mapping[str, Any], host: Mapping[str, Any]) -> list[tuple[str, float | None]]:
    """The model host's items: its instance costs only while it runs, its disk always."""
    if not host:
        return []
    hourly, weekly = prices["instance_hour"].get(host["type"]), host["hours_a_week"]
    hours = weekly * WEEKS_A_MONTH if weekly else prices["hours_per_month"]
    runs = f"{weekly:g} hours a week" if weekly else "all hours"
    return [
        (f"model host {host['type']}, {runs}", hourly * hours if hourly else None),
        (f"its disk, {host['volume_gib']} GiB gp3", host["volume_gib"] * prices["gp3_gib_month"]),
        ("its public IPv4 address", prices["public_address_hour"] * hours),
    ]


class FilterModule:
    """The class that Ansible loads."""

    def filters(self) -> dict[str, Any]:
        """The filters of this file by name."""
        return {
            "aws_plan": aws_plan,
            "aws_resources": aws_resources,
            "aws_reach": aws_reach,
            "aws_costs": aws_costs,
        }
