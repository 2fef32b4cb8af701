"""Each routing rule; the user's choice overrides them all."""

from __future__ import annotations

import pytest

from rag_core.answering.routing import route

MODELS = ("small", "stand-in", "large")


@pytest.mark.parametrize(
    ("question", "first", "rule"),
    [
        ("How hot may the bearings get?", "small", "short question of fact"),
        ("Compare list and data frame", "large", "compare"),
        ("Why do factors have levels?", "large", "explain"),
        ("word " * 31, "large", "30 words"),
    ],
)
def test_rules_choose_the_first_model(question: str, first: str, rule: str) -> None:
    found = route(question, models=MODELS, large="large", chosen=None)
    assert found.models[0] == first
    assert set(found.models) == set(MODELS)
    assert rule in found.rule


def test_the_asker_chooses_over_every_rule() -> None:
    found = route("Why?", models=MODELS, large="large", chosen="stand-in")
    assert found.models == ("stand-in", "small", "large")
    assert found.rule == "chosen by the asker"


def test_no_remote_model_stands_in_for_a_local_one_that_was_chosen() -> None:
    """Who chooses it may want the text to stay on this host."""
    found = route("Why?", models=MODELS, large="large", chosen="stand-in", remote={"small"})
    assert found.models == ("stand-in", "large")
    found = route("Why?", models=MODELS, large="large", chosen="small", remote={"small"})
    assert found.models == ("small", "stand-in", "large")


def test_without_a_large_model_the_first_one_writes() -> None:
    assert route("Why?", models=("small", "stand-in"), large="", chosen=None).models[0] == "small"
