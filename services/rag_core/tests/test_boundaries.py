"""Settings are read as documented, and no library's error escapes from rag_core."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ollama
import pytest
from pydantic import ValidationError

from rag_core import errors, factory, health
from rag_core.index import embed
from rag_core.models import Question
from rag_core.settings import RagSettings

# Port 9 (discard) has no listener on any machine we know.
AWAY: dict[str, Any] = {"opensearch_host": "http://127.0.0.1:9", "ollama_base_url": "http://127.0.0.1:9"}


def from_secrets(directory: Path) -> RagSettings:
    options: dict[str, Any] = {"_secrets_dir": directory}
    return RagSettings(**options)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in RagSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


def test_settings_come_from_environment_and_secret_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "opensearch_password").write_text("from-file\n")
    monkeypatch.setenv("OLLAMA_MODEL", "phi3:mini")
    settings = from_secrets(tmp_path)
    assert settings.ollama_model == "phi3:mini"
    assert settings.opensearch_password is not None
    assert settings.opensearch_password.get_secret_value().strip() == "from-file"
    assert "from-file" not in repr(settings)


def test_missing_secrets_directory_is_fine(tmp_path: Path) -> None:
    assert from_secrets(tmp_path / "none").opensearch_password is None


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("OPENSEARCH_HOST", "opensearch:9200", "https://"),
        ("OLLAMA_TIMEOUT_SECONDS", "0", "greater than 0"),
        ("OPENSEARCH_INDEX", "Bad Name", "pattern"),
        ("ANSWER_CONTEXT_TOKENS", "9000", "OLLAMA_NUM_CTX"),
    ],
)
def test_wrong_setting_is_refused_with_what_to_do(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, message: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValidationError, match=message):
        RagSettings()


def test_everything_can_be_built_with_nothing_running(tmp_path: Path) -> None:
    settings = RagSettings(ledger_path=tmp_path / "l.sqlite3", **AWAY)
    ledger = factory.build_ledger(settings)
    factory.build_answerer(settings, ledger)
    factory.build_uploads(settings, ledger)
    assert not (tmp_path / "l.sqlite3").exists(), "nothing is opened before it is used"


def test_ollama_that_is_down_behind_its_proxy_is_reported_as_down() -> None:
    """The proxy answers in its place; its status means the same as a refused connection."""
    down, refuses = (
        embed.translated(ollama.ResponseError("-", status), "m", "http://models:11434")
        for status in (502, 500)
    )
    assert "does not answer" in down.message
    assert "refused 'm' with HTTP 500" in refuses.message


def test_ollama_that_is_away_is_our_error() -> None:
    with pytest.raises(errors.OllamaUnavailable, match="does not answer"):
        factory.build_embedder(RagSettings(**AWAY)).embed(["x"])


def test_opensearch_that_is_away_is_our_error() -> None:
    index = factory.build_index_writer(RagSettings(**AWAY))
    for call in (index.count, index.stored_contract, lambda: index.delete("x"), lambda: index.ping(1)):
        with pytest.raises(errors.OpenSearchUnavailable, match="does not answer"):
            call()


def test_health_of_what_is_away_says_so_and_does_not_raise() -> None:
    report = health.check(RagSettings(**AWAY), timeout=1)
    assert not report.ok
    assert not report.opensearch.ok
    assert "does not answer" in report.ollama.detail
    assert set(report.models.values()) == {False}


@pytest.mark.parametrize("question", ["", "  \n ", "x" * 3000])
def test_bad_question_is_refused_before_anything_is_asked(question: str, tmp_path: Path) -> None:
    settings = RagSettings(ledger_path=tmp_path / "l.sqlite3", **AWAY)
    with pytest.raises(errors.QuestionRefused):
        factory.build_answerer(settings).answer(Question(text=question))


def test_every_error_has_a_code_of_its_own_and_a_status() -> None:
    kinds = [k for k in vars(errors).values() if isinstance(k, type) and issubclass(k, errors.RagError)]
    assert len({k.code for k in kinds}) == len(kinds)
    assert all(400 <= k.http_status < 600 for k in kinds)
