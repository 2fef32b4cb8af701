"""The name server answers what a zone says, in the wire format of DNS."""

from __future__ import annotations

import struct

import pytest

from sandbox.acme.names import HEADER, Question


def query(name: str, kind: int = 1) -> bytes:
    """A question as a resolver sends it."""
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
    """Authorities ask for CAA first: there is none, and that is no error."""
    _, flags, _, answers, *_ = HEADER.unpack_from(Question(query("a.b", kind=257)).answer(["10.0.0.1"]))
    assert (answers, flags & 0xF) == (0, 0)


@pytest.mark.parametrize("broken", [b"", b"\0" * 12, query("a.b")[:14]])
def test_what_is_no_question_is_refused(broken: bytes) -> None:
    with pytest.raises((ValueError, IndexError, struct.error)):
        Question(broken)
