"""A release that the host cannot run is refused before anything changes; secrets get the right mode."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.releases import keys_before
from ansible_collections.ragdock.host.plugins.module_utils.releases.fetch import edge_check
from ansible_collections.ragdock.host.plugins.module_utils.releases.prune import unused_images
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Release
from ansible_collections.ragdock.host.plugins.modules.release_stage import (
    diff,
    disk_refusal,
    ensure_directory,
    memory_refusal,
    secrets_drift,
    unused_secrets,
)

LIMITS = {
    "opensearch": 2048,
    "ollama": 3296,
    "models": 64,
    "rag-app": 640,
    "rag-worker": 640,
    "landing": 128,
    "edge": 128,
}
MIB = 1024 * 1024


def test_the_default_limits_fit_an_8_gib_host() -> None:
    assert memory_refusal(LIMITS, 1024, 7_900_000) == ""


def test_limits_over_the_hosts_memory_are_refused_with_figures_and_settings() -> None:
    message = memory_refusal(LIMITS, 1024, 3_900_000)
    assert "has 4096 MiB" in message
    assert "3872 MiB too much" in message
    assert "ragdock_instance_type" in message
    assert "ragdock_memory_limits" in message


def test_a_disk_without_room_for_the_missing_images_is_refused() -> None:
    message = disk_refusal({"rag-app": 200 * MIB, "ollama": 300 * MIB}, 2000 * MIB, "/var/lib/docker")
    assert "2000 MiB free; ollama, rag-app need about 2774 MiB" in message
    assert "ragdock_root_volume_gib" in message


def test_a_full_disk_does_not_refuse_a_release_whose_images_are_there() -> None:
    assert disk_refusal({}, 0, "/var/lib/docker") == ""


@pytest.fixture
def wanted() -> list[dict[str, Any]]:
    """One secret of this test's own user."""
    return [
        {
            "path": "rag-app/api_token",
            "uid": os.getuid(),
            "content_base64": base64.b64encode(b"token").decode(),
        }
    ]


def test_secrets_are_written_for_their_reader_alone(tmp_path: Path, wanted: list[dict[str, Any]]) -> None:
    assert secrets_drift(tmp_path, wanted, check=False) == ["rag-app/api_token"]
    path = tmp_path / "rag-app" / "api_token"
    assert (path.read_text(), path.stat().st_mode & 0o7777) == ("token", 0o400)
    assert secrets_drift(tmp_path, wanted, check=False) == []


@pytest.mark.parametrize("damage", ["mode", "text", "link", "missing"])
def test_drift_of_a_secret_is_repaired(tmp_path: Path, wanted: list[dict[str, Any]], damage: str) -> None:
    secrets_drift(tmp_path, wanted, check=False)
    path = tmp_path / "rag-app" / "api_token"
    if damage == "mode":
        path.chmod(0o644)
    else:
        path.unlink()
    if damage == "text":
        path.write_text("other")
        path.chmod(0o400)
    if damage == "link":
        (tmp_path / "rag-app" / "elsewhere").write_text("token")
        path.symlink_to(tmp_path / "rag-app" / "elsewhere")
    assert "rag-app/api_token" in secrets_drift(tmp_path, wanted, check=False)
    assert secrets_drift(tmp_path, wanted, check=False) == []
    assert not path.is_symlink()


def test_a_key_that_is_refused_gives_way_to_the_key_before(tmp_path: Path) -> None:
    """Applies to remote models. The previous key keeps its file time, because it is known to work."""

    def stage(key: bytes) -> None:
        content = base64.b64encode(key).decode()
        one = {"path": "remote/gpt", "uid": os.getuid(), "content_base64": content}
        secrets_drift(tmp_path / "secrets", [one], check=False)

    path = tmp_path / "secrets" / "remote" / "gpt"
    stage(b"works")
    before = path.stat()
    # The second deployment is killed before the model is tested.
    for wrong in (b"wrong", b"also wrong"):
        stage(wrong)
    assert keys_before.put_back(tmp_path) == ["gpt"]
    assert path.read_text() == "works"
    assert (path.stat().st_mtime_ns, path.stat().st_mode) == (before.st_mtime_ns, before.st_mode)

    stage(b"newer")
    keys_before.forget(tmp_path)
    assert keys_before.put_back(tmp_path) == []
    assert path.read_text() == "newer"


def test_a_secret_that_the_release_does_not_use_stays_until_it_serves(
    tmp_path: Path, wanted: list[dict[str, Any]]
) -> None:
    """The release that serves may use it, and must be able to start again if this one fails."""
    secrets_drift(tmp_path, wanted, check=False)
    (tmp_path / "rag-app" / "old").write_text("of the release before")
    assert secrets_drift(tmp_path, wanted, check=False) == []
    assert (tmp_path / "rag-app" / "old").exists()
    assert unused_secrets(tmp_path, wanted, []) == ["rag-app/old"]


def test_check_mode_says_and_touches_nothing(tmp_path: Path, wanted: list[dict[str, Any]]) -> None:
    assert secrets_drift(tmp_path, wanted, check=True) == ["rag-app/api_token"]
    assert ensure_directory(tmp_path / "data", os.getuid(), 0o750, check=True)
    assert list(tmp_path.iterdir()) == []


def test_a_directory_gets_its_mode_back(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    assert ensure_directory(tmp_path, os.getuid(), 0o750, check=False)
    assert tmp_path.stat().st_mode & 0o7777 == 0o750
    assert not ensure_directory(tmp_path, os.getuid(), 0o750, check=False)


def test_the_diff_names_added_changed_and_removed_files() -> None:
    shown = diff({"same": "1", "changed": "1", "gone": "1"}, {"same": "1", "changed": "2", "new": "1"}, "id")
    assert [(one["before_header"], one["before"], one["after"]) for one in shown] == [
        ("changed", "1", "2"),
        ("gone", "1", ""),
        ("new", "", "1"),
    ]


def test_pruning_leaves_images_of_others_alone(tmp_path: Path) -> None:
    kept = Release(tmp_path, {"images": {"edge": {"ref": "registry/ragdock/demo/edge@sha256:2"}}})
    have = [
        "registry/ragdock/demo/edge@sha256:1",
        "registry/ragdock/demo/edge@sha256:2",
        "registry/ragdock/other/edge@sha256:1",
        "debian@<none>",
    ]
    assert unused_images(have, [kept]) == ["registry/ragdock/demo/edge@sha256:1"]


def test_caddy_checks_its_configuration_without_a_network() -> None:
    words = edge_check(Path("/r/id.tmp"), Path("/opt/ragdock"), "edge@sha256:0")
    assert words[:5] == ["run", "--rm", "--network", "none", "--read-only"]
    assert words[-4:] == ["edge@sha256:0", "validate", "--config", "/etc/caddy/Caddyfile"]
