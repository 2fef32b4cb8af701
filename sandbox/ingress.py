"""Elastic IPs: which address and port forward to which instance, and for which clients."""

from __future__ import annotations

from sandbox.cloud import Cloud, Network
from sandbox.forwarder import Endpoint, Forward

PORTS = (80, 443)


def forwards(cloud: Cloud) -> dict[Endpoint, Forward]:
    """Map address and port of this machine to address and port of an instance and its allowed clients.

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
