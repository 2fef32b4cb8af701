"""A name server that answers from the sandbox's Route 53 zones."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable

from botocore.exceptions import BotoCoreError, ClientError

HEADER = struct.Struct(">HHHHHH")
A, IN = 1, 1
RESPONSE, AUTHORITATIVE = 0x8000, 0x0400
NO_SUCH_NAME, FAILED = 3, 2
# A compression pointer to the name in the question.
SAME_NAME = b"\xc0\x0c"
TTL = 5
LARGEST = 1232
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
        """Return a response; addresses None: the name does not exist."""
        found = addresses or [] if (self.kind, self.family) == (A, IN) else []
        code = code or (NO_SUCH_NAME if addresses is None else 0)
        flags = RESPONSE | AUTHORITATIVE | (self.flags & 0x7900) | code
        records = b"".join(
            SAME_NAME + struct.pack(">HHIH", A, IN, TTL, 4) + socket.inet_aton(address) for address in found
        )
        return HEADER.pack(self.identity, flags, 1, len(found), 0, 0) + self.raw + records


def serve(lookup: Lookup, address: str = "127.0.0.1", port: int = 53) -> None:
    """Serve forever."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind((address, port))
        while True:
            query, sender = server.recvfrom(LARGEST)
            try:
                question = Question(query)
            except (ValueError, IndexError, struct.error):
                continue
            try:
                # Only address records exist here; other record types need no lookup.
                known = lookup(question.name) if question.kind == A else []
                reply = question.answer(known)
            except (BotoCoreError, ClientError):
                reply = question.answer([], FAILED)
            server.sendto(reply, sender)
