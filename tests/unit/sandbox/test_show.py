"""The box at the end of `make up` says where to find the password, and never shows it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import cast

import pytest

from sandbox import show
from sandbox.settings import Sandbox

SECRET = "a-password-nobody-may-see"


def test_the_box_holds_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(show, "AwsApi", lambda _sandbox: SimpleNamespace(observe=lambda: None))
    monkeypatch.setattr(show, "url", lambda _sandbox, _cloud: "https://192.0.2.1/")
    monkeypatch.setattr(show, "_parameter", lambda _sandbox, _api, _name: SECRET)
    sandbox = cast("Sandbox", SimpleNamespace(name="demo"))
    assert show.value(sandbox, "password") == SECRET
    box = show.summary(sandbox)
    assert "https://192.0.2.1/" in box
    assert "make password" in box
    assert SECRET not in box
