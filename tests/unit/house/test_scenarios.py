"""Molecule's scenarios start from the actual state, not from the one that molecule recorded."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
SCENARIOS = sorted((ROOT / "molecule").glob("*/molecule.yml"))
REMEMBERED = {"create", "prepare"}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda path: path.parent.name)
def test_no_scenario_skips_what_another_checkout_did(scenario: Path) -> None:
    """Molecule records what it created under the folder's name and skips it in any clone of that name.

    A wiped sandbox counted as created, and converge connected to an address where nothing answered.
    """
    steps = yaml.safe_load(scenario.read_text())["scenario"]["test_sequence"]
    remembered = REMEMBERED.intersection(steps)
    assert not remembered or steps.index("destroy") < min(steps.index(step) for step in remembered)
