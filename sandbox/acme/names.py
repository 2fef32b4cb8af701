"""A name server that answers what Route 53 would, with the addresses at which hosts are reached here.

An Elastic IP of the sandbox is an address of the developer's machine; from a container the same host
is reached at its private address. So a record that names an Elastic IP is answered with that one.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

HEADER = struct.Struct(">HHHHHH")
A, IN = 1, 1
RESPONSE, AUTHORITATIVE = 0x8000, 0x0400
NO_SUCH_NAME, FAILED = 3, 2
# The question's own name, as an answer repeats it.
SAME_NAME = b"\xc0\x0c"
TTL = 5
LARGEST = 1232
RENEW_SECONDS = 5.0
Lookup = Callable[[str], list[str] | None]


class Question:
    """The one question of a query."""

    def __init__(self, query: bytes) -> None:
        self.identity, self.flags, count, *_ = HEADER.unpack_from(query)
        if count != 1 or self.flags & RESPONSE:
            raise ValueError("not one question")
        labels, at = [], HEADER.size
        while length := query[at]:
            labels.append(query[at + 1 : at + 1 + length].decode("ascii").lower())
            at += 1 + length
        self.name = ".".join(labels)
        self.kind, self.family = struct.unpack_from(">HH", query, at + 1)
        self.raw = query[HEADER.size : at + 5]

    def answer(self, addresses: list[str] | None, code: int = 0) -> bytes:
        """A response; None for a name that is not there."""
        found = addresses or [] if (self.kind, self.family) == (A, IN) else []
        code = code or (NO_SUCH_NAME if addresses is None else 0)
        flags = RESPONSE | AUTHORITATIVE | (self.flags & 0x7900) | code
        records = b"".join(
            SAME_NAME + struct.pack(">HHIH", A, IN, TTL, 4) + socket.inet_aton(address) for address in found
        )
        return HEADER.pack(self.identity, flags, 1, len(found), 0, 0) + self.raw + records


def serve(lookup: Lookup, address: str = "127.0.0.1", port: int = 53) -> None:
    """Answer for ever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            query, sender = server.recvfrom(LARGEST)
            try:
                question = Question(query)
            except (ValueError, IndexError, struct.error):
                continue
            try:
                # Only addresses are known here; other record types need no lookup.
                known = lookup(question.name) if question.kind == A else []
                reply = question.answer(known)
            except (BotoCoreError, ClientError):
                reply = question.answer([], FAILED)
            server.sendto(reply, sender)


class Route53:
    """The records of the account's zones.

    Pebble waits two seconds for an answer, the APIs may take longer on a busy machine: so a table is
    kept, renewed every few seconds; a name that is not in it is looked up at once.
    """

    def __init__(self, endpoint: str, region: str) -> None:
        words = {"endpoint_url": endpoint, "region_name": region}
        self._zones: Any = boto3.client("route53", **words)  # type: ignore[call-overload]
        self._ec2: Any = boto3.client("ec2", **words)  # type: ignore[call-overload]
        self._table: dict[str, list[str]] = {}

    def __call__(self, name: str) -> list[str] | None:
        """Addresses of a name; None when no zone has it."""
        if name not in self._table:
            self.renew()
        return self._table.get(name)

    def follow(self) -> None:
        """Keep the table new, for ever."""
        while True:
            try:
                self.renew()
            except (BotoCoreError, ClientError):
                # The APIs are restarting: keep using what is known.
                self._table = dict(self._table)
            time.sleep(RENEW_SECONDS)

    def renew(self) -> None:
        """Read all zones once."""
        inside = self.inside()
        table: dict[str, list[str]] = {}
        for zone in self._zones.list_hosted_zones()["HostedZones"]:
            records = self._zones.list_resource_record_sets(HostedZoneId=zone["Id"])["ResourceRecordSets"]
            for record in records:
                if record["Type"] == "A":
                    values = [one["Value"] for one in record["ResourceRecords"]]
                    table[record["Name"].rstrip(".")] = [inside.get(value, value) for value in values]
        self._table = table

    def inside(self) -> dict[str, str]:
        """Elastic IP -> the private address of the host behind it."""
        hosts = {
            one["InstanceId"]: one.get("PrivateIpAddress", "")
            for group in self._ec2.describe_instances()["Reservations"]
            for one in group["Instances"]
        }
        found = self._ec2.describe_addresses()["Addresses"]
        return {
            one["PublicIp"]: hosts[one["InstanceId"]] for one in found if hosts.get(one.get("InstanceId"))
        }
