"""docs/operate/recovery.md, read as an operator reads it: what was lost, and the command to type."""

from __future__ import annotations

import datetime as dt
import re
import shlex

from tests.stack.endpoint import CHECKOUT

PAGE = CHECKOUT / "docs" / "operate" / "recovery.md"
ROW = re.compile(r"^\| (?P<lost>[^|]+?) \| (?P<what>`[^`]+`|the same) \|$", re.MULTILINE)
TYPED = re.compile(r"^`ansible-playbook -i inventory/production (?P<words>[^`]+)`$")
# The point in time on the page is an example.
MOMENT = re.compile(r"backup=\d{4}-\d\d-\d\dT\d\d:\d\d$")

HOST = "the host and its data volume"
DEPLOYMENT = "the whole deployment (`destroy.yml` without `keep_backups=false`)"


def commands() -> dict[str, list[str]]:
    """Map each loss to the arguments after `ansible-playbook -i <inventory>`, in the page's order.

    A row that reads "the same" has the command of the row above it.
    """
    found: dict[str, list[str]] = {}
    words: list[str] = []
    for row in ROW.finditer(PAGE.read_text()):
        if row["what"] != "the same":
            typed = TYPED.match(row["what"])
            assert typed, f"{PAGE.name}: not a command that a test can type: {row['what']}"
            words = shlex.split(typed["words"])
        found[row["lost"]] = words
    return found


def at(words: list[str], moment: dt.datetime) -> list[str]:
    """Return the command with the given point in time instead of the example's."""
    return [MOMENT.sub(f"backup={moment:%Y-%m-%dT%H:%M:%S}", one) for one in words]
