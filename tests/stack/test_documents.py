"""Documents are read and found in answers; bad files fail with their reason and block nothing."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from services.rag_core.tests.pdfs import unending
from tests.eval import manuals
from tests.stack import papers
from tests.stack.endpoint import ApiClient, Json

MIB = 1 << 20
REFUSALS = (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)


@pytest.fixture(scope="module")
def manual(api: ApiClient) -> Json:
    """A real manual of over 100 pages, ready."""
    return api.ready(api.brought("R-intro.pdf", papers.manual()), seconds=600)


@pytest.mark.parametrize("kind", ["pdf", "txt", "md", "html", "docx"])
def test_each_format_is_read_and_found(api: ApiClient, bin_of_documents: list[str], kind: str) -> None:
    """The five main formats."""
    keyword = papers.word()
    identity = api.brought(f"lighthouse-{keyword}.{kind}", papers.good(kind, keyword))
    bin_of_documents.append(identity)
    document = api.ready(identity)
    assert document["chunks"] >= 1
    found = api.search(f"Who built the lighthouse of {keyword}?")
    assert found, "nothing was found"
    assert keyword in found[0]["document"]
    assert "Ada Brunn" in found[0]["passage"]
    if kind == "pdf":
        # A passage may begin on the page before.
        assert found[0]["page_start"] <= 2 == found[0]["page_end"]


def test_a_long_manual_is_answered_with_the_right_page(api: ApiClient, manual: Json) -> None:
    """The page on which R-intro's chapter on objects names the intrinsic attributes is among those found.

    A model of 135 million parameters may take its sentence from any of the passages. What must hold is that
    the right page is one of them, and that every citation is one of them too.
    """
    assert manual["pages"] > 100
    answer = api.ask("What are the intrinsic attributes of an R object, mode and length?")
    own = [one for one in answer["passages"] if one["document"] == "R-intro.pdf"]
    assert any("intrinsic" in one["passage"] for one in own), own
    pages = [(one["page_start"], one["page_end"]) for one in own]
    section = manuals.pages_with_line(manuals.r_introduction(), "3.1 Intrinsic attributes: mode and length")
    assert len(section) == 1, "the manual's section is found by its heading"
    assert any(start <= page <= end for start, end in pages for page in section), (pages, section)
    found = {(one["document_id"], one["page_start"], one["passage"]) for one in answer["passages"]}
    cited = {(one["document_id"], one["page_start"], one["passage"]) for one in answer["citations"]}
    assert cited <= found, cited - found


@pytest.mark.parametrize("wrong", sorted(papers.bad()))
def test_a_bad_file_is_set_aside_with_its_reason(
    api: ApiClient, bin_of_documents: list[str], wrong: str
) -> None:
    """Refused at the endpoint or failed in the ledger, with a reason for people and a code for programs."""
    name, content, code = papers.bad()[wrong]
    reply = api.upload(name, content)
    if reply.status_code == HTTPStatus.ACCEPTED:
        identity = reply.json()["id"]
        bin_of_documents.append(identity)
        document = api.settled(identity)
        assert document["state"] == "failed", document
        assert document["code"] == code, document
        assert len(document["reason"]) > 10
        assert "Traceback" not in document["reason"]
    else:
        assert reply.status_code in REFUSALS, reply.text
        assert reply.json()["error"]["code"] == code, reply.text
        assert len(reply.json()["error"]["message"]) > 10


def test_bad_files_do_not_block_the_next(api: ApiClient, bin_of_documents: list[str]) -> None:
    """A good file becomes ready after all bad ones were uploaded at once."""
    for name, content, _ in papers.bad().values():
        reply = api.upload(name, content)
        if reply.status_code == HTTPStatus.ACCEPTED:
            bin_of_documents.append(reply.json()["id"])
    keyword = papers.word()
    bin_of_documents.append(api.brought("after.md", papers.good("md", keyword)))
    api.ready(bin_of_documents[-1])
    for identity in bin_of_documents:
        assert api.settled(identity)["state"] in ("ready", "failed")


def test_a_pdf_that_hangs_its_parser_can_be_deleted_at_once(
    api: ApiClient, bin_of_documents: list[str]
) -> None:
    """Deleting the document frees the worker before the minute after which the parser would be killed."""
    hang = api.brought("hang.pdf", papers.as_another(unending()))
    bin_of_documents.append(hang)
    api.until(hang, lambda one: one["state"] == "processing", seconds=60)
    bin_of_documents.append(api.brought("next.md", papers.good("md", papers.word())))
    api.delete(hang)
    api.ready(bin_of_documents[-1], seconds=30)


def test_a_file_over_the_limit_is_refused(api: ApiClient) -> None:
    """The default limit is 100 MiB; the answer names it."""
    reply = api.upload("large.txt", b"a" * (101 * MIB))
    assert reply.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
    assert "100 MiB" in reply.text


@pytest.mark.parametrize(
    "name",
    [
        "../../../../etc/cron.d/evil.md",
        "..\\..\\windows\\evil.md",
        "/etc/passwd.md",
        "a\x00b.md",
        "new\nline.md",
        "-rf.md",
        "$(reboot).md",
        "\u202etxt.exe.md",
        f"{'n' * 300}.md",
        "数据 été ☂.md",
    ],
)
def test_a_strange_name_is_only_a_name(api: ApiClient, bin_of_documents: list[str], name: str) -> None:
    """Path tricks, control characters, 300 characters: the file is stored under a safe name and read."""
    reply = api.upload(name, papers.good("md", papers.word()))
    if reply.status_code != HTTPStatus.ACCEPTED:
        assert reply.status_code == HTTPStatus.UNPROCESSABLE_ENTITY, reply.text
        assert reply.json()["error"]["message"]
        return
    bin_of_documents.append(reply.json()["id"])
    document = api.ready(bin_of_documents[-1])
    shown = document["name"]
    assert not {"/", "\\", "\x00", "\n", "\u202e"} & set(shown), shown
    assert len(shown.encode()) <= 255


def test_the_same_file_twice_is_one_document(api: ApiClient, bin_of_documents: list[str]) -> None:
    """Files are identified by content: the copy is not read again, and no passage appears twice."""
    keyword = papers.word()
    content = papers.good("md", keyword)
    first = api.brought("one.md", content)
    bin_of_documents.append(first)
    api.ready(first)
    assert api.brought("two.md", content) == first
    api.ready(first)
    found = [one for one in api.search(f"lighthouse of {keyword}", top_k=10) if keyword in one["passage"]]
    assert len(found) == 1


def test_a_deleted_document_is_gone(api: ApiClient, bin_of_documents: list[str]) -> None:
    """From the list, by id and from search."""
    keyword = papers.word()
    identity = api.brought(f"{keyword}.md", papers.good("md", keyword))
    bin_of_documents.append(identity)
    api.ready(identity)
    assert any(keyword in one["passage"] for one in api.search(f"lighthouse of {keyword}"))
    api.delete(identity)
    assert api.http.get(f"/api/documents/{identity}").status_code == HTTPStatus.NOT_FOUND
    listed = api.http.get("/api/documents").json()["documents"]
    assert identity not in [one["id"] for one in listed]
    assert not any(keyword in one["passage"] for one in api.search(f"lighthouse of {keyword}"))
