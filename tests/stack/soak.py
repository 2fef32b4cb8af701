"""How often faults are tried: SOAK=n, once when it is not set. The longest tests run only where repeated."""

from __future__ import annotations

import os

import pytest

TIMES = int(os.environ.get("SOAK", "1"))


def long(reason: str) -> pytest.MarkDecorator:
    """For a test that takes minutes: `make soak` runs it, `make test` does not."""
    return pytest.mark.skipif(TIMES < 2, reason=f"{reason}: SOAK=2 and more")
