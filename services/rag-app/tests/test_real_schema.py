"""No request, whether the OpenAPI document allows it or not, makes the app fail or violate that document.

Schemathesis generates requests from the document. The app uses a real OpenSearch and a real Ollama, so that
no response is a 503 because they are missing.
"""

import contextlib
import io
import itertools
import uuid
from collections import Counter, defaultdict
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import schemathesis
from schemathesis.checks import not_a_server_error, response_schema_conformance
from schemathesis.core.result import Ok

from rag_app.settings import AppSettings
from rag_core import factory

from .conftest import TOKEN, build

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def document(
    opensearch_address: str,
    ollama_address: str,
    tmp_path_factory: pytest.TempPathFactory,
    settings_in: Callable[..., AppSettings],
) -> schemathesis.BaseSchema:
    """The app's own OpenAPI document, bound to the app."""
    home: Path = tmp_path_factory.mktemp("schema")
    settings = settings_in(
        home,
        opensearch_host=opensearch_address,
        opensearch_index=f"test-{uuid.uuid4().hex[:8]}",
        ollama_base_url=ollama_address,
        ollama_model="smollm2:135m",
        ollama_fallback_model="smollm2:135m",
        embedding_model_name="all-minilm",
        # A slow machine must not look like a failing app.
        opensearch_timeout=120,
        embedding_timeout=300,
    )
    with (
        contextlib.closing(factory.build_ledger(settings)) as ledger,
        contextlib.closing(factory.build_ingestor(settings, ledger, "test")) as ingestor,
    ):
        ingestor.prepare()
        factory.build_uploads(settings, ledger).accept("a.md", io.BytesIO(b"# Pump\n\nIt runs at 40 bar.\n"))
        ingestor.step()
    return schemathesis.openapi.from_asgi("/api/openapi.json", build(settings))


def test_no_request_makes_the_app_fail(document: schemathesis.BaseSchema) -> None:
    operations = []
    for found in document.get_all_operations():
        assert isinstance(found, Ok), found
        operations.append(found.ok())
    met: dict[str, Counter[int]] = defaultdict(Counter)

    for operation, mode in itertools.product(operations, schemathesis.GenerationMode):

        @hypothesis.settings(
            max_examples=15,
            deadline=None,
            derandomize=True,  # the same requests each time, so that a failure can be reproduced
            database=None,
            suppress_health_check=list(hypothesis.HealthCheck),
            phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode))
        def bears_it(case: schemathesis.Case[Any]) -> None:
            reply = case.call(headers={"Authorization": f"Bearer {TOKEN}"})
            met[case.operation.label][reply.status_code] += 1
            case.validate_response(reply, checks=[not_a_server_error, response_schema_conformance])

        # A request without parameters and body cannot be made invalid.
        bare = (hypothesis.errors.Unsatisfiable,) if mode.is_negative else ()
        with contextlib.suppress(*bare):
            bears_it()

    assert len(met) > 12
    for label in ("POST /api/search", "POST /api/ask", "GET /api/documents", "POST /api/conversations"):
        assert any(code < HTTPStatus.BAD_REQUEST for code in met[label]), met[label]
