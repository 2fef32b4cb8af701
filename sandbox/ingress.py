"""Elastic IPs: which address and port leads to which instance, and for whom."""

from __future__ import annotations

from sandbox.cloud import Cloud, Network
from sandbox.forwarder import Endpoint, Forward

PORTS = (80, 443)


def forwards(cloud: Cloud) -> dict[Endpoint, Forward]:
    """Address and port of this machine -> address and port of an instance, and whom it admits.

    A port that no security group of the instance opens to anybody stays closed.
    """
    running = {i.id: i for i in cloud.instances if i.state == "running" and i.live}
    found: dict[Endpoint, Forward] = {}
    for address in cloud.addresses:
        instance = running.get(address.instance_id)
        if instance is None:
            continue
        groups = [cloud.groups[group] for group in instance.groups if group in cloud.groups]
        for port in PORTS:
            sources = frozenset[Network]().union(*(group.sources(port) for group in groups))
            if sources:
                found[(address.public_ip, port)] = Forward((instance.private_ip, port), sources)
    return found
