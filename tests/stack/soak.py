"""How often faults are tested: SOAK times, once if it is not set. The longest tests run only if it is set."""

from __future__ import annotations

import os

import pytest

SOAKING = "SOAK" in os.environ
TIMES = int(os.environ.get("SOAK", "1"))


fault = pytest.mark.fault
"""For a test that makes a fault: tried SOAK times."""


def long(reason: str) -> pytest.MarkDecorator:
    """For a test that takes minutes: `make soak` runs it, `make test` does not."""
    return pytest.mark.skipif(not SOAKING, reason=f"{reason}: `make soak` runs it")
