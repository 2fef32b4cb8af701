"""Remote models in the settings, and in what the health check reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from pydantic import ValidationError

from rag_core import health
from rag_core.remote.model import RemoteModel
from rag_core.settings import RagSettings

from .ladder import BIG, HOST, LARGE, Server
from .ladder import make_settings as make_settings
from .ladder import server as server


def test_remote_models_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REMOTE_MODELS", f"[{BIG.model_dump_json()}]")
    monkeypatch.setenv("REMOTE_BASE_URL", "http://remote:11435/")
    settings = RagSettings()
    assert (settings.remote_models, settings.remote_base_url) == ((BIG,), "http://remote:11435")
    monkeypatch.setenv("REMOTE_MODELS", "")
    assert RagSettings().remote_models == ()


@pytest.mark.parametrize(
    ("models", "message"),
    [
        ((BIG, BIG), "same name"),
        ((BIG, LARGE.model_copy(update={"slug": "big"})), "same slug"),
        ((BIG.model_copy(update={"window": 1000}),), "window of the"),
    ],
)
def test_remote_models_that_cannot_work_are_refused(models: tuple[RemoteModel, ...], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        RagSettings(ollama_model="big", remote_models=models)


def test_health_asks_no_remote_model_for_anything(
    make_settings: Callable[..., RagSettings], server: Server
) -> None:
    report = health.check(make_settings(), timeout=2)
    assert (report.models["big"], report.remote is not None and report.remote.detail) == (True, HOST)
    assert "large" not in report.models, "no setting names it"
    assert server.openai.asked == []


def test_health_says_when_the_way_to_remote_models_is_closed(
    make_settings: Callable[..., RagSettings],
) -> None:
    report = health.check(make_settings(remote_base_url="http://127.0.0.1:9"), timeout=2)
    assert (report.models["big"], report.ok) == (False, False)
    assert report.remote is not None
    assert "the proxy to remote models does not answer" in report.remote.detail


def test_without_remote_models_health_asks_for_no_proxy(
    make_settings: Callable[..., RagSettings],
) -> None:
    report = health.check(make_settings(remote_models=(), ollama_model="small"), timeout=2)
    assert report.remote is None
