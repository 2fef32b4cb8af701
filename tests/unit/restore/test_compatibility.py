"""A backup that the running software cannot use is refused with what to do; an older one is accepted."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.restore.compatibility import (
    embedder_refusal,
    ledger_refusal,
    version_refusal,
)
from ansible_collections.ragdock.host.plugins.module_utils.restore.throwaway import (
    MARGIN_MIB,
    NAME,
    Throwaway,
    available_mib,
    memory_refusal,
)

MADE: Mapping[str, str] = {"model": "all-minilm", "digest": "a" * 64}


@pytest.mark.parametrize(
    ("backup", "running", "expected"),
    [
        ("2.19.1", "2.19.1", ""),
        ("2.11.0", "2.19.1", ""),
        ("2.9.0", "2.19.1", ""),  # compared as numbers, not as text
        ("1.3.20", "2.19.1", ""),
        ("2.19.1", "3.0.0", ""),
        ("2.19.2", "2.19.1", "Deploy the release that made the backup, or a newer one"),
        ("3.0.0", "2.19.1", "cannot read it"),
        ("1.3.20", "3.0.0", "-e scope=documents"),
        ("", "2.19.1", ""),
    ],
)
def test_opensearch_reads_its_own_and_the_major_version_before(
    backup: str, running: str, expected: str
) -> None:
    """OpenSearch guarantees this for snapshots."""
    refusal = version_refusal(backup, running)
    assert expected in refusal
    assert bool(expected) == bool(refusal)


@pytest.mark.parametrize(
    ("contract", "refused"),
    [
        (MADE, False),
        ({}, False),
        ({**MADE, "model": "nomic-embed-text"}, True),
        ({**MADE, "digest": "b" * 64}, True),
    ],
)
def test_vectors_of_another_embedder_are_refused(contract: Mapping[str, str], refused: bool) -> None:
    """The same model name with other weights is another embedder."""
    refusal = embedder_refusal(contract, MADE["model"], MADE["digest"])
    assert bool(refusal) == refused
    assert not refused or "ragdock_models" in refusal


def test_a_ledger_of_a_newer_release_is_refused_and_an_older_one_is_not() -> None:
    """The message says what to do."""
    assert ledger_refusal(1, 2) == ledger_refusal(2, 2) == ledger_refusal(0, 2) == ""
    assert "playbooks/deploy.yml" in ledger_refusal(3, 2)


def test_a_drill_that_would_starve_the_stack_is_refused_with_figures() -> None:
    """The drill's memory and the margin that must stay, against what the kernel reports as available."""
    available = available_mib("MemTotal:       8000000 kB\nMemFree: 100 kB\nMemAvailable:    2097152 kB\n")
    assert available == 2048
    assert memory_refusal(available - MARGIN_MIB, available) == ""
    refusal = memory_refusal(available - MARGIN_MIB + 1, available)
    for word in (str(available), "ragdock_drill_memory_mib", "ragdock_instance_type"):
        assert word in refusal


def test_a_drills_node_has_no_network_but_one_that_leads_nowhere(tmp_path: Path) -> None:
    """It runs without passwords: only this host may reach it, and it may reach nothing."""
    node = Throwaway(Engine("ragdock"), tmp_path, "opensearch@sha256:0", 1024, tmp_path)
    assert "--internal" in node.network("mark=1")
    assert node.network("mark=1")[-1] == NAME
    words = node.command(tmp_path, tmp_path, tmp_path, "mark=1")
    assert [one for one in words if one.startswith(("--net", "--link", "--add-host"))] == [
        f"--network={NAME}"
    ]
    assert not [
        one for one in words if one.startswith(("-p", "-P", "--publish", "--privileged", "--cap-add"))
    ]
