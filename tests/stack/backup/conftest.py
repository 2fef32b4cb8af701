"""Assumes: a deployed stack. A backup is made first, so that there is a repository to inspect."""

from __future__ import annotations

import pytest

from tests.stack.backup.vault import Vault, back_up
from tests.stack.endpoint import value
from tests.stack.host import Host


@pytest.fixture(scope="session")
def vault(host: Host) -> Vault:
    """The repository, with at least one backup in it."""
    back_up().good()
    return Vault(host, value("name"))
