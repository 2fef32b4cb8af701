"""The smoke test against a fake stack over real TLS: it passes, or names the failed step."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.endpoint import Certificate, PublicEndpoint
from ansible_collections.ragdock.host.plugins.modules import smoke_test
from tests.unit.verify.fake_stack import CONTRACT, NAME, TOKEN, FakeStack, authority, serving

# The fault of the stack -> the step that must be named, and a part of the message.
FAULTS = {
    "no page": ("landing page", "no HTML"),
    "no login": ("login page", "502"),
    "no health": ("health", "503"),
    "any token": ("wrong token", "expected 401"),
    "no HSTS": ("HSTS", "Strict-Transport-Security"),
    "no upload": ("upload", "busy"),
    "set aside": ("indexing", "not readable"),
    "slow": ("indexing", "queued"),
    "no citation": ("answer", "does not cite"),
    "degraded": ("answer", "no_model"),
    "fallback without citation": ("answer", "does not cite"),
    "fallback for a local model": ("answer", "fallback_model"),
    "rebuild without search": ("search", "503"),
    "cannot delete": ("deletion", "500"),
    "finds the deleted": ("deletion", "still finds"),
}

MakeTest = Callable[..., tuple[smoke_test.SmokeTest, FakeStack]]


@pytest.fixture(scope="module")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Certificate and key of the fake stack."""
    return authority(tmp_path_factory.mktemp("endpoint"))


def certificate(pem: Path) -> str:
    """The certificate without the key."""
    return pem.read_text().partition("-----BEGIN PRIVATE")[0]


@pytest.fixture
def make_test(pem: Path) -> Iterator[MakeTest]:
    """A function that makes a smoke test of a stack with a fault."""
    opened = []

    def make(fault: str = "") -> tuple[smoke_test.SmokeTest, FakeStack]:
        endpoint = FakeStack(fault)
        context = serving(endpoint, pem)
        port = context.__enter__()
        opened.append(context)
        asked = PublicEndpoint(NAME, "127.0.0.1", port, certificate(pem), TOKEN)
        return smoke_test.SmokeTest(asked, 1.0, "ragdock"), endpoint

    yield make
    for context in opened:
        context.__exit__(None, None, None)


def run_all(story: smoke_test.SmokeTest) -> None:
    """Run all steps."""
    story.light()
    story.full()


def test_a_good_stack_passes_and_is_left_unchanged(make_test: MakeTest) -> None:
    """Every step is timed, and no canary document stays."""
    story, endpoint = make_test()
    story.light()
    story.full()
    assert set(story.watch.seconds) == {
        "certificate",
        "landing",
        "app",
        "status",
        "upload",
        "indexed",
        "answered",
        "deleted",
    }
    assert story.notes == []
    assert story.status["release"] == "r1"
    assert story.status["index_contract"] == CONTRACT
    assert not endpoint.documents


@pytest.mark.parametrize("fault", sorted(FAULTS))
def test_the_failed_step_is_named(make_test: MakeTest, fault: str) -> None:
    """The message has the step, the answer, and what to check."""
    step, words = FAULTS[fault]
    story, _ = make_test(fault)
    with pytest.raises(smoke_test.SmokeTestError) as caught:
        run_all(story)
    assert caught.value.step == step
    assert words in str(caught.value)
    assert "docker compose -p ragdock logs" in str(caught.value)


def test_an_answer_of_the_fallback_model_passes_and_is_noted(make_test: MakeTest) -> None:
    """The model host may be stopped, the tokens used up: a rollback would help with neither."""
    for fault, figure in (("fallback", "answered"), ("fallback with passage", "answered_uncited")):
        story, endpoint = make_test(fault)
        run_all(story)
        assert figure in story.watch.seconds
        assert story.notes == [
            "The fallback model small answered. models.example.org takes no more requests (HTTP 429)."
        ]
        assert not endpoint.documents


@pytest.mark.parametrize(
    ("fault", "why"),
    [("rebuild", "(7 documents left). Until"), ("rebuild paused", "It is paused: models.ex")],
)
def test_documents_that_wait_for_a_new_index_fail_no_release(
    make_test: MakeTest, fault: str, why: str
) -> None:
    """Rolling back would drop the new index, which may have cost money, and start it again next time."""
    story, endpoint = make_test(fault)
    run_all(story)
    assert "searched" in story.watch.seconds
    assert "answered" not in story.watch.seconds
    (note,) = story.notes
    assert why in note
    assert "searched by words" in note
    assert not endpoint.documents


@pytest.mark.parametrize("fault", ["set aside", "slow", "no citation", "degraded"])
def test_a_failed_test_removes_its_canary(make_test: MakeTest, fault: str) -> None:
    """Otherwise answers could cite a canary because a release was bad."""
    story, endpoint = make_test(fault)
    with pytest.raises(smoke_test.SmokeTestError):
        story.full()
    assert not endpoint.documents


def test_canaries_of_a_killed_test_are_removed(make_test: MakeTest) -> None:
    """Other documents stay."""
    story, endpoint = make_test()
    endpoint.documents = {
        "old": {"id": "old", "name": "canary0123456789abcdef.md"},
        "mine": {"id": "mine", "name": "canary birds.md"},
    }
    story.full()
    assert list(endpoint.documents) == ["mine"]


def test_a_certificate_of_another_authority_is_refused(make_test: MakeTest, tmp_path: Path) -> None:
    """Only the given authority is trusted."""
    story, _ = make_test()
    other = certificate(authority(tmp_path))
    port = story.endpoint._endpoint.port
    stranger = smoke_test.SmokeTest(PublicEndpoint(NAME, "127.0.0.1", port, other, TOKEN), 1.0, "ragdock")
    with pytest.raises(smoke_test.SmokeTestError, match="was refused"):
        stranger.light()


def test_a_closed_port_is_named(pem: Path) -> None:
    """The message has the address that does not answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    story = smoke_test.SmokeTest(
        PublicEndpoint(NAME, "127.0.0.1", port, certificate(pem), TOKEN), 1.0, "ragdock"
    )
    with pytest.raises(smoke_test.SmokeTestError, match=f"127.0.0.1:{port}"):
        story.light()


def test_an_edge_that_waits_for_its_first_certificate_is_given_time(
    make_test: MakeTest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority needs seconds to issue it; until then Caddy ends each handshake with an alert."""
    monkeypatch.setattr(smoke_test, "POLL_SECONDS", 0.0)
    story, _ = make_test()
    alerts = [ssl.SSLError(1, "tlsv1 alert internal error")] * 2
    shown = story.endpoint.certificate

    def certificate(timeout: float) -> Certificate:
        if alerts:
            raise alerts.pop()
        return shown(timeout)

    monkeypatch.setattr(story.endpoint, "certificate", certificate)
    story.light()
    assert story.shown
    assert story.shown.issuer == "fake stack"


def test_an_edge_without_a_certificate_is_named(make_test: MakeTest, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says where the cause is recorded."""
    story, _ = make_test()

    def certificate(timeout: float) -> Certificate:
        raise ssl.SSLError(1, "tlsv1 alert internal error")

    monkeypatch.setattr(story.endpoint, "certificate", certificate)
    with pytest.raises(smoke_test.SmokeTestError, match="step 'certificate' failed: there is none") as failed:
        story.light()
    assert "logs --tail 50 edge" in failed.value.look
