"""Assumes: a deployed stack (`make up`). Tests go through its public endpoint; faults are made on its host.

RAGDOCK_URL, RAGDOCK_TOKEN, RAGDOCK_CA, RAGDOCK_NAME and RAGDOCK_HOST_COMMAND select a deployment
other than the sandbox's; RAGDOCK_ARGUMENTS holds extra arguments for its playbooks.
SOAK=n repeats every test that makes a fault n times.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.endpoint import ApiClient, Endpoint, value
from tests.stack.host import Host
from tests.stack.soak import TIMES
from tests.stack.test_secrets import named_in, secrets_of
from tests.stack.watch import Watch

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark all tests here as `stack`, mark those that change the stack, and run the `release` tests last."""
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.stack)
            if item.path.parent.name == "release":
                item.add_marker(pytest.mark.release)
            # These change the host, its address or token, on which others rely: they run alone, and last.
            if item.path.parent.name == "rotation":
                item.add_marker(pytest.mark.rotation)
            if item.path.parent.name == "model_host":
                item.add_marker(pytest.mark.model_host)
            if item.path.name == "test_disaster.py":
                item.add_marker(pytest.mark.disaster)
    # They leave a release of another checkout behind; check mode would rightly report changes afterwards.
    items.sort(key=lambda item: item.get_closest_marker("release") is not None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Repeat the tests that make faults."""
    makes_a_fault = metafunc.definition.get_closest_marker("fault")
    if TIMES > 1 and HERE in Path(metafunc.definition.path).parents and makes_a_fault:
        if "soak" not in metafunc.fixturenames:
            metafunc.fixturenames.append("soak")
        metafunc.parametrize("soak", range(TIMES))


@pytest.fixture
def soak() -> int:
    """The number of this repetition."""
    return 0


@pytest.fixture(scope="session")
def endpoint() -> Endpoint:
    """The stack's public endpoint."""
    return Endpoint(value("url").rstrip("/"), value("token"), value("ca"))


@pytest.fixture(scope="session")
def api(endpoint: Endpoint) -> Iterator[ApiClient]:
    """A client of the JSON API with the valid token."""
    opened = ApiClient(endpoint)
    yield opened
    opened.http.close()


@pytest.fixture(scope="session")
def host() -> Host:
    """The host under the stack."""
    return Host(value("name"))


@pytest.fixture(scope="session", autouse=True)
def watch() -> Iterator[Watch]:
    """Check that no process is started with a secret among its arguments, which every user can read.

    Covers the whole test run, on the operator's machine and on the host. A failure is reported as an error of
    the last test. The secrets of a deployment outside the sandbox are unknown, so none are searched for.
    """
    ours = "RAGDOCK_URL" not in os.environ
    name = value("name")
    first = secrets_of(Host(name)) if ours else {}
    with Watch(name) as watching:
        yield watching
    last = secrets_of(Host(name)) if ours else {}  # a rotation changes them; the host may be a new one
    for machine, text in watching.text.items():
        found = [*named_in(text, first), *named_in(text, last)]
        assert not found, f"a process on the {machine} was started with {', '.join(found)} among its words"


@pytest.fixture
def bin_of_documents(api: ApiClient) -> Iterator[list[str]]:
    """Ids of documents to delete when the test ends."""
    ids: list[str] = []
    yield ids
    for identity in ids:
        api.delete(identity)
