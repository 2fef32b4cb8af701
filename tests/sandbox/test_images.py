"""What the sandbox asks Docker about images."""

from __future__ import annotations

import pytest

from sandbox.images import Image, look

pytestmark = pytest.mark.docker


def test_a_machine_without_any_image_has_none() -> None:
    """The first `make up` on a new machine: not one of the names is known to Docker."""
    assert look([Image(name="ragdock-sandbox/nobody-made-this:1", recipe="none")]) == {}
