"""The models are loaded before the first question, also when Ollama starts after the app."""

from dataclasses import dataclass, replace

import pytest
from fastapi import FastAPI

from rag_app import backend as backends
from rag_app.backend import Backend
from rag_core.answering.answerer import Answerer
from rag_core.errors import OllamaUnavailable


@dataclass
class Loading(Answerer):
    """Fails the given number of times, as it would while Ollama starts."""

    failures: int
    tries: int = 0

    def warm(self) -> None:
        """Load the models."""
        self.tries += 1
        if self.tries <= self.failures:
            raise OllamaUnavailable("Ollama does not answer")


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not wait between two tries."""
    monkeypatch.setattr(backends, "_WARM_UP_PAUSES", (0.0, 0.0, 0.0))


def warmed(app: FastAPI, failures: int) -> int:
    """Warm up the models; returns the number of tries."""
    loading = Loading(failures)
    backend: Backend = replace(app.state.backend, answerer=loading)
    backend.warm()
    return loading.tries


def test_models_are_loaded_once(app: FastAPI) -> None:
    assert warmed(app, failures=0) == 1


def test_ollama_that_starts_later_is_waited_for(app: FastAPI) -> None:
    assert warmed(app, failures=2) == 3


def test_app_serves_without_models(app: FastAPI) -> None:
    """The app keeps running; the error is reported when someone asks a question."""
    assert warmed(app, failures=9) == 3
