"""Marks the unit tests that need a restic as new as the host's: `make stack` runs them."""

from __future__ import annotations

from pathlib import Path

import pytest

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of the real restic, which is missing on a machine without the sandbox's images."""
    for item in items:
        if HERE in item.path.parents and "restic" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.restic)
