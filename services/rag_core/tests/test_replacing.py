"""An upload with an existing name replaces that document once it is ready, and not before."""

from __future__ import annotations

from pathlib import Path

from rag_core.ledger import Ledger
from rag_core.models import Document, DocumentState
from services.rag_core.tests.test_ledger import A, B, add, make_ready

C = "c" * 64
NAME = "report.pdf"


def again(ledger: Ledger, sha256: str, name: str = NAME) -> Document:
    return add(ledger, sha256, name, replace=True)


def finish(ledger: Ledger, document: Document) -> None:
    job = ledger.claim("w", 60)
    assert job is not None
    assert job.document.id == document.id
    assert ledger.ready(document.id, "w", pages=1, chunks=1)


def served(ledger: Ledger, *documents: Document) -> list[str]:
    return list(ledger.visible([one.id for one in documents]))


def test_new_version_takes_the_place_of_the_old_in_one_moment(ledger: Ledger) -> None:
    old = make_ready(ledger, A, NAME)
    before = ledger.generation()
    new = again(ledger, B)
    assert served(ledger, old, new) == [old.id], "the old one answers until the new one is whole"
    finish(ledger, new)
    assert served(ledger, old, new) == [new.id]
    assert ledger.get(old.id).state is DocumentState.DELETING
    assert ledger.generation() > before, "answers kept from the old one are no longer given"


def test_new_version_that_fails_leaves_the_old_one_answering_and_both_are_shown(ledger: Ledger) -> None:
    old = make_ready(ledger, A, NAME)
    new = again(ledger, B)
    assert ledger.claim("w", 60) is not None
    ledger.fail(new.id, "w", code="corrupt", reason="damaged")
    assert served(ledger, old, new) == [old.id]
    shown = {(d.name, d.state) for d in ledger.list()}
    assert shown == {(NAME, DocumentState.READY), (NAME, DocumentState.FAILED)}
    ledger.retry(new.id)
    finish(ledger, new)
    assert served(ledger, old, new) == [new.id]


def test_content_keeps_its_other_names(ledger: Ledger) -> None:
    old = make_ready(ledger, A, NAME)
    again(ledger, A, "copy.pdf")
    new = again(ledger, B)
    finish(ledger, new)
    assert served(ledger, old, new) == [old.id, new.id]
    assert ledger.get(old.id).names == ("copy.pdf",)


def test_other_names_and_files_of_the_input_directory_stay(ledger: Ledger) -> None:
    other = make_ready(ledger, A, "other.pdf")
    by_hand = make_ready(ledger, B, NAME, Path("/raw/a") / NAME)
    new = again(ledger, C)
    finish(ledger, new)
    assert served(ledger, other, by_hand, new) == [other.id, by_hand.id, new.id]


def test_without_the_wish_both_stand(ledger: Ledger) -> None:
    """As for files in folders: README.md in one folder is not README.md in another."""
    old = make_ready(ledger, A, NAME)
    finish(ledger, add(ledger, B, NAME))
    assert len(ledger.list(states=[DocumentState.READY])) == 2
    assert ledger.get(old.id).names == (NAME,)


def test_going_back_to_the_old_version_is_at_once(ledger: Ledger) -> None:
    old = make_ready(ledger, A, NAME)
    new = again(ledger, B)
    again(ledger, A)
    assert served(ledger, old, new) == [old.id]
    assert ledger.get(new.id).state is DocumentState.DELETING


def test_two_new_versions_in_a_row_never_answer_beside_each_other(ledger: Ledger) -> None:
    first = make_ready(ledger, A, NAME)
    second, third = again(ledger, B), again(ledger, C)
    finish(ledger, second)
    assert served(ledger, first, second, third) == [second.id]
    assert ledger.get(third.id).state is DocumentState.QUEUED
    job = ledger.claim("w", 60)
    assert job is not None
    assert job.document.state is DocumentState.DELETING
    assert ledger.deleted(first.id, "w", lambda _: None)
    finish(ledger, third)
    assert served(ledger, second, third) == [third.id]


def test_deleted_new_version_replaces_nothing_later(ledger: Ledger) -> None:
    old = make_ready(ledger, A, NAME)
    new = again(ledger, B)
    ledger.request_delete(new.id)
    assert ledger.claim("w", 60) is not None
    assert ledger.deleted(new.id, "w", lambda _: None)
    finish(ledger, again(ledger, B, "something else.pdf"))
    assert served(ledger, old, new) == [old.id, new.id]
