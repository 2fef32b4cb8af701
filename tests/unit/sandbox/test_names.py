"""The certificate authority can resolve the names it validates, in DNS's wire format, and reach addresses."""

from __future__ import annotations

import json
import struct
from ipaddress import ip_network
from types import SimpleNamespace
from typing import cast

import pytest

from sandbox import cloud as observed
from sandbox.acme.names import HEADER, Question
from sandbox.acme.server import Cloud, config
from sandbox.cloud import Address, AwsApi, Group, Rule

from .test_decisions import HOST


def query(name: str, kind: int = 1) -> bytes:
    """A DNS query as a resolver sends it."""
    labels = b"".join(bytes([len(one)]) + one.encode() for one in name.split("."))
    return HEADER.pack(7, 0x0100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">HH", kind, 1)


def test_an_address_is_answered_to_the_question_that_was_asked() -> None:
    question = Question(query("Rag.Example.org"))
    assert question.name == "rag.example.org"
    reply = question.answer(["10.20.1.4"])
    identity, flags, asked, answers, *_ = HEADER.unpack_from(reply)
    assert (identity, asked, answers, flags & 0x800F) == (7, 1, 1, 0x8000)
    assert reply[HEADER.size :].startswith(query("Rag.Example.org")[HEADER.size :])
    assert reply.endswith(b"\x00\x04" + bytes([10, 20, 1, 4]))


@pytest.mark.parametrize(("addresses", "code"), [(None, 3), ([], 0)])
def test_a_name_that_is_not_there_differs_from_one_without_an_address(
    addresses: list[str] | None, code: int
) -> None:
    _, flags, _, answers, *_ = HEADER.unpack_from(Question(query("a.b")).answer(addresses))
    assert (answers, flags & 0xF) == (0, code)


def test_what_is_not_an_address_is_answered_with_none() -> None:
    """Authorities ask for CAA records first: there is none, which is not an error."""
    _, flags, _, answers, *_ = HEADER.unpack_from(Question(query("a.b", kind=257)).answer(["10.0.0.1"]))
    assert (answers, flags & 0xF) == (0, 0)


@pytest.mark.parametrize("broken", [b"", b"\0" * 12, query("a.b")[:14]])
def test_what_is_no_question_is_refused(broken: bytes) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        Question(broken)


def test_an_authority_reaches_what_everybody_may_reach() -> None:
    """Ports that are open only to some ranges are excluded; reached by name and by address."""
    everybody, office = (
        Rule(low=port, high=port, source=ip_network(source))
        for port, source in ((80, "0.0.0.0/0"), (443, "203.0.113.0/24"))
    )
    seen = observed.Cloud(
        instances=(HOST,),
        addresses=(Address(public_ip="127.1.2.3", instance_id=HOST.id),),
        groups={"sg-web": Group(id="sg-web", rules=(everybody, office))},
        domains={"rag.example.org": "127.1.2.3"},
    )
    cloud = Cloud(cast(AwsApi, SimpleNamespace(observe=lambda: seen)))
    assert cloud.lookup("rag.example.org") == ["127.1.2.3"]
    assert cloud.lookup("other.example.org") is None
    assert {endpoint: way.target for endpoint, way in cloud.forwards.items()} == {
        ("127.1.2.3", 80): (HOST.private_ip, 80)
    }


def test_the_two_profiles_of_lets_encrypt_are_there() -> None:
    """One profile is for names, the other for addresses."""
    assert set(json.loads(config())["pebble"]["profiles"]) == {"default", "shortlived"}
