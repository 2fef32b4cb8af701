"""The table format that playbooks print."""

from __future__ import annotations

from ansible_collections.ragdock.host.plugins.module_utils.tables import columns, table


def test_columns_are_as_wide_as_their_widest_cell() -> None:
    """Lines have no trailing spaces."""
    assert columns([("a", "long"), ("wider", "b")]) == ["a      long", "wider  b"]
    assert columns([]) == []


def test_a_table_has_a_head_and_a_rule() -> None:
    """Even if it has no rows."""
    assert table([["drill", 3]], ["job", "runs"]) == "job    runs\n-----  ----\ndrill  3"
    assert table([], ["job", "runs"]) == "job  runs\n---  ----"


def test_a_cell_is_one_line_and_no_wider_than_a_terminal_likes() -> None:
    """A reason may be a whole log, so it is shortened."""
    (line,) = table([["x\n  y " + "z" * 100]], ["reason"]).splitlines()[2:]
    assert line.startswith("x y zzz")
    assert line.endswith("...")
    assert len(line) == 64
