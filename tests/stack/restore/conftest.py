"""Assumes: a deployed stack. Two documents are uploaded and backed up before anything is broken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.stack import papers
from tests.stack.backup.vault import Vault, back_up
from tests.stack.endpoint import ApiClient, value
from tests.stack.host import Host
from tests.stack.restore.rescue import Scene


@pytest.fixture(scope="module")
def scene(api: ApiClient, host: Host) -> Iterator[Scene]:
    """Documents that a backup holds."""
    keywords = [papers.word(), papers.word()]
    brought = [
        api.brought(f"{word}.{kind}", papers.good(kind, word))
        for word, kind in zip(keywords, ("md", "pdf"), strict=True)
    ]
    for one in brought:
        api.ready(one)
    back_up().good()
    yield Scene(api, host, Vault(host, value("name")), keywords)
    for one in brought:
        api.delete(one)
