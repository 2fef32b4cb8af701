"""Traps and rare formats in the deployed stack: all uploaded at once, each reported by its own code."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from services.rag_core.tests.pdfs import hidden_letters
from tests.stack import papers, traps
from tests.stack.endpoint import ApiClient

RARE = ("pptx", "xlsx", "csv", "epub", "eml")
WRITTEN = {
    "right to left": ("بنى المهندس منارة الساحل القديم في الشمال.", "منارة الساحل القديم"),
    "east asian": ("灯台守は毎晩二百十二段の階段を上る。", "灯台守は毎晩階段を上る"),
}


def test_each_trap_is_reported_by_its_code(api: ApiClient, bin_of_documents: list[str]) -> None:
    """Refused at the endpoint or failed in the ledger, with a code for programs and a reason for people."""
    codes: dict[str, str] = {}
    waiting: dict[str, str] = {}
    cases = traps.refused()
    for wrong, (name, content, _) in cases.items():
        reply = api.upload(name, content)
        if reply.status_code == HTTPStatus.ACCEPTED:
            waiting[wrong] = reply.json()["id"]
            bin_of_documents.append(waiting[wrong])
        else:
            codes[wrong] = reply.json()["error"]["code"]
    for wrong, identity in waiting.items():
        document = api.settled(identity, seconds=60)
        assert document["state"] == "failed", (wrong, document)
        assert document["reason"]
        codes[wrong] = document["code"]
    assert {wrong: code for wrong, code in codes.items() if code not in cases[wrong][2]} == {}


def test_each_rarity_is_read_and_found(api: ApiClient, bin_of_documents: list[str]) -> None:
    """Formats beyond the main five, a wrong file extension, a scan, a font without readable characters."""
    words = {kind: papers.word() for kind in (*RARE, "ending")}
    files = {f"rare.{kind}": traps.rare(kind, papers.story(words[kind])) for kind in RARE}
    files["ending.txt"] = papers.good("docx", words["ending"])
    files["scan.pdf"] = traps.scan("The lightship Comet anchors here")
    files["fonts.pdf"] = hidden_letters("Readable only by eye: northern lighthouse")
    bin_of_documents += [api.brought(name, content) for name, content in files.items()]
    for identity in bin_of_documents:
        api.ready(identity, seconds=90)
    for kind, keyword in words.items():
        found = api.search(f"Who built the lighthouse of {keyword}?")
        assert any(keyword in one["passage"] for one in found), kind
    assert any("Comet" in one["passage"] for one in api.search("Where does the lightship Comet anchor?"))
    assert any("northern" in one["passage"] for one in api.search("Readable only by eye"))


@pytest.mark.parametrize("script", sorted(WRITTEN))
def test_other_scripts_are_found_as_they_are_written(
    api: ApiClient, bin_of_documents: list[str], script: str
) -> None:
    """Right to left, and without spaces between words."""
    text, asked = WRITTEN[script]
    bin_of_documents.append(api.brought("script.txt", f"{text}\n".encode()))
    api.ready(bin_of_documents[-1])
    assert any(text in one["passage"] for one in api.search(asked))
