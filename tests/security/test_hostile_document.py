"""Someone whose file is uploaded by a person who trusts it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus

import pytest

from tests.stack import papers
from tests.stack.endpoint import ApiClient, Json
from tests.stack.host import Host

ACCEPTED = HTTPStatus.ACCEPTED

SECRET = "/run/secrets/opensearch_password"  # where the worker has it
ENTITY = f'<!DOCTYPE d [<!ENTITY leak SYSTEM "file://{SECRET}">]>'
WORDML = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"


def with_entity(keyword: str) -> bytes:
    """Return a .docx whose text asks the parser to include a file of its container."""
    made = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(papers.good("docx", keyword))) as whole,
        zipfile.ZipFile(made, "w") as out,
    ):
        for one in whole.infolist():
            text = whole.read(one)
            if one.filename == "word/document.xml":
                head, _, rest = text.decode().partition("?>")
                text = f"{head}?>{ENTITY}{rest.replace('</w:t>', ' &leak;</w:t>', 1)}".encode()
            out.writestr(one, text)
    return made.getvalue()


def files(keyword: str) -> dict[str, bytes]:
    """Map each name to a file that tries to include the worker's password, beside an ordinary sentence."""
    story = papers.story(keyword)
    return {
        "entity.docx": with_entity(keyword),
        "entity.html": f"<?xml version='1.0'?>{ENTITY}<html><p>{story} &leak;</p></html>".encode(),
        "frame.html": f"<html><body><p>{story}</p><iframe src='file://{SECRET}'></iframe>"
        f"<img src='http://169.254.169.254/latest/meta-data/'><object data='file://{SECRET}'></object>"
        "</body></html>".encode(),
        "include.md": f"{story}\n\n![x](file://{SECRET})\n\n{{{{ include '{SECRET}' }}}}\n".encode(),
        "attached.eml": (
            f"From: a@example.org\nSubject: {keyword}\nMIME-Version: 1.0\n"
            f'Content-Type: message/external-body; access-type=local-file; name="{SECRET}"\n\n'
            f"Content-Type: text/plain\n\n{story}\n"
        ).encode(),
    }


@dataclass(frozen=True)
class Brought:
    """An uploaded file: the reply to the upload, and the document it became, if it was accepted."""

    keyword: str
    reply: str
    document: Json | None


@pytest.fixture(scope="module")
def brought(api: ApiClient) -> Iterator[dict[str, Brought]]:
    """All of them, uploaded and read one after the other; deleted at the end."""
    keywords = {name: papers.word() for name in files("x")}
    replies = {name: api.upload(name, files(keyword)[name]) for name, keyword in keywords.items()}
    ids = {name: reply.json()["id"] for name, reply in replies.items() if reply.status_code == ACCEPTED}
    try:
        documents = {name: api.settled(identity, seconds=180) for name, identity in ids.items()}
        yield {
            name: Brought(keyword, replies[name].text, documents.get(name))
            for name, keyword in keywords.items()
        }
    finally:
        for identity in ids.values():
            api.delete(identity)


@pytest.mark.parametrize("name", sorted(files("x")))
def test_a_file_cannot_have_the_readers_own_files_read(
    api: ApiClient, host: Host, brought: dict[str, Brought], name: str
) -> None:
    """It is read without the file that it asks for, or refused; the worker's password is in no passage."""
    secret = host.run("cat", "/opt/ragdock/secrets/rag-worker/opensearch_password").strip()
    one = brought[name]
    assert secret not in one.reply
    if one.document is None:
        return
    assert secret not in str(one.document)
    found = api.search(f"What is said of {one.keyword}?", top_k=20)
    assert not any(secret in passage["passage"] for passage in found)
    assert one.document["state"] == "failed" or any(one.keyword in passage["passage"] for passage in found)
