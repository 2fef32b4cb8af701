"""Generates the defaults, the example file and the page of the settings from their schema."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.ragdock.host.plugins.filter.preflight import says

HERE = Path(__file__).parent
SCHEMA = HERE / "schema.yml"
DEFAULTS = HERE / "defaults.yml"
EXAMPLE = HERE / "production" / "group_vars" / "all" / "settings.yml.example"
PAGE = HERE.parent / "docs" / "operate" / "settings.md"
# From here on defaults.yml is written by hand.
DERIVED = "# --- Derived from the above; not settings"
WIDTH = 78

DEFAULTS_HEAD = """---
# Every setting of Ragdock, its default and what it decides. Made from schema.yml
# by `make settings`: change it there. Both inventories read this file (as
# group_vars/all/00-defaults.yml); a settings.yml beside it overrides what differs.
# Preflight refuses a wrong value, and a name it does not know.
"""
EXAMPLE_HEAD = """---
# Copy this file to settings.yml beside it and fill it in. 00-defaults.yml explains
# every other setting and has its default: add here the ones that you change.
"""
OPTIONAL = "# --- As needed: remove the # in front "
PAGE_HEAD = """# Settings

<!-- Made from inventory/schema.yml by `make settings`: change it there. -->

Write the settings that you change into `inventory/production/group_vars/all/settings.yml`, and run
`site.yml`. `-e NAME=VALUE` sets one for a single run. A wrong value or a misspelt name is refused before
anything changes: the message gives the name, the value found and what is allowed.

A service reads a setting as a variable of that name in capitals, without `ragdock_`: `ragdock_upload_slots`
is `UPLOAD_SLOTS`.
"""


def schema() -> dict[str, Any]:
    """Return the schema of the settings."""
    found: dict[str, Any] = yaml.safe_load(SCHEMA.read_text())
    return found


def _wrapped(text: str) -> list[str]:
    """Wrap a text, breaking lines only at spaces."""
    return textwrap.wrap(text, WIDTH - 2, break_on_hyphens=False, break_long_words=False)


def _scalar(value: Any) -> str:
    """Return a value as one line of YAML."""
    if value == "":
        return '""'
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000)
        .split("\n...")[0]
        .strip()
    )


def _assigned(name: str, value: Any) -> list[str]:
    """Return the lines of YAML that assign a value to a setting."""
    if isinstance(value, dict):
        return [f"{name}:", *(f"  {key}: {_scalar(item)}" for key, item in value.items())]
    if isinstance(value, list) and value:
        return [f"{name}:", *(f"  - {_scalar(item)}" for item in value)]
    if isinstance(value, str) and len(value) > WIDTH:
        return [f"{name}: >-", *(f"  {line}" for line in _wrapped(value))]
    return [f"{name}: {_scalar(value)}"]


def defaults(settings: dict[str, dict[str, Any]], derived: str) -> str:
    """Return the text of inventory/defaults.yml."""
    lines = [DEFAULTS_HEAD.rstrip()]
    for name, one in settings.items():
        if "x-heading" in one:
            lines += ["", f"# --- {one['x-heading']} ".ljust(WIDTH, "-"), ""]
        lines += [f"# {line}" for line in _wrapped(one["description"])]
        lines += _assigned(name, one["default"])
    return "\n".join(lines) + f"\n\n{derived}"


def example(settings: dict[str, dict[str, Any]]) -> str:
    """Return the text of settings.yml.example: what to fill in, then what many deployments set."""
    some = {name: one for name, one in settings.items() if "examples" in one}
    lines = EXAMPLE_HEAD.splitlines()
    for mark, heading in (("", []), ("# ", ["", OPTIONAL.ljust(WIDTH, "-")])):
        lines += heading
        for name, one in some.items():
            if ("x-fill-in" in one) == (mark == ""):
                lines += ["", *(f"# {line}" for line in _wrapped(one["description"]))]
                lines += [f"{mark}{line}" for line in _assigned(name, one["examples"][0])]
    return "\n".join(lines) + "\n"


def page(settings: dict[str, dict[str, Any]]) -> str:
    """Return the text of docs/operate/settings.md."""
    lines = [PAGE_HEAD.rstrip()]
    for name, one in settings.items():
        if "x-heading" in one:
            lines += [
                "",
                f"## {one['x-heading']}",
                "",
                "| Setting | Default | Must be | What it decides |",
                "|---|---|---|---|",
            ]
        default = one["default"]
        shown = (
            ""
            if default in ("", [])
            else "see defaults.yml"
            if isinstance(default, list | dict)
            else f"`{_scalar(default)}`"
        )
        read_by = f" Read by {', '.join(one['x-services'])}." if "x-services" in one else ""
        cells = [f"`{name}`", shown, says(one), one["description"] + read_by]
        lines.append(
            "| " + " | ".join(cell.replace("|", "\\|").replace("<", "&lt;") for cell in cells) + " |"
        )
    return "\n".join(lines) + "\n"


def texts() -> dict[Path, str]:
    """Return the text of each generated file for the current schema."""
    settings = schema()["properties"]
    _, mark, derived = DEFAULTS.read_text().partition(DERIVED)
    return {
        DEFAULTS: defaults(settings, mark + derived),
        EXAMPLE: example(settings),
        PAGE: page(settings),
    }


if __name__ == "__main__":
    for path, text in texts().items():
        path.write_text(text)
