"""host_system: reads sysctls and packages from the system."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.host import packages, sysctls
from tests.unit.host.conftest import Runner


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A /proc/sys with two settings."""
    for name, value in {"vm/max_map_count": "1048576", "net/ipv4/tcp_rmem": "4096\t131072\t6291456"}.items():
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(value + "\n")
    monkeypatch.setattr(sysctls, "PROC", tmp_path)
    return tmp_path


@pytest.mark.usefixtures("proc")
def test_higher_value_is_kept_now_and_at_the_next_boot() -> None:
    least = {"vm.max_map_count": "262144"}
    assert sysctls.pending({}, least) == {}
    assert "vm.max_map_count = 1048576\n" in sysctls.render({}, least)


@pytest.mark.usefixtures("proc")
def test_lower_and_other_values_are_pending() -> None:
    exact = {"net.ipv4.tcp_rmem": "4096 131072 6291456"}
    assert sysctls.pending(exact, {}) == {}
    assert sysctls.pending({"vm.max_map_count": "1"}, {}) == {"vm.max_map_count": "1"}
    assert sysctls.pending({}, {"vm.max_map_count": "2000000"}) == {"vm.max_map_count": "2000000"}


@pytest.mark.usefixtures("proc")
def test_misspelt_setting_is_named() -> None:
    with pytest.raises(sysctls.SysctlError, match=r"no setting vm\.max_map_cuont"):
        sysctls.pending({"vm.max_map_cuont": "1"}, {})


class Dpkg(Runner):
    """A host's dpkg-query, without apt."""

    def run_command(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        """List one installed package, and one that is removed but configured."""
        assert argv[0] == "dpkg-query"
        return 0, "curl installed\ncron config-files\n", ""


def test_removed_package_counts_as_missing() -> None:
    assert packages.present(Dpkg()) == {"curl"}


class Silent(Runner):
    """A host on which no command may run."""

    def run_command(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        """Fail: nothing may be run."""
        raise AssertionError(argv)


def test_a_role_without_packages_asks_for_none() -> None:
    assert packages.install(Silent(), []) == []
