"""Programs with their own list of authorities get this machine's if no variable names an existing one."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.trust import authorities


def test_the_machines_own_list_serves_where_no_variable_names_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system, named = tmp_path / "system.pem", tmp_path / "named.pem"
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    assert authorities(system) is None
    system.touch()
    assert authorities(system) == system
    monkeypatch.setenv("SSL_CERT_FILE", str(named))
    assert authorities(system) == system
    named.touch()
    assert authorities(system) == named
