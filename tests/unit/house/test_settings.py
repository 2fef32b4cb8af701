"""Each setting is written once (inventory/schema.yml), is used, and is current in the generated files."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

import pytest
import yaml

from ansible_collections.ragdock.host.plugins.filter.preflight import preflight_problems
from inventory.generate import EXAMPLE, schema, texts

ROOT = Path(__file__).parents[3]
SETTINGS = schema()["properties"]
# Where a setting is used. Preflight does not count: it reads all settings, only to check them.
PLACES = ("compose", "playbooks", "roles", "collections")
PASSED_OVER = ("roles/preflight/vars", "README.md", "/docs/")


def users() -> dict[str, str]:
    """The text of every file that may use a setting, by its path."""
    paths = [path for place in PLACES for path in sorted((ROOT / place).rglob("*"))]
    found = {
        ROOT / "inventory/defaults.yml": texts()[ROOT / "inventory/defaults.yml"].partition("Derived from")[2]
    }
    found |= {
        path: path.read_text()
        for path in paths
        if path.suffix in {".yml", ".j2", ".py"} and not any(one in str(path) for one in PASSED_OVER)
    }
    return {str(path.relative_to(ROOT)): text for path, text in found.items()}


USERS = "\n".join(users().values())


@pytest.mark.parametrize("path", texts(), ids=lambda path: path.name)
def test_what_is_made_of_the_schema_is_current(path: Path) -> None:
    """`make settings` writes the file."""
    assert path.read_text() == texts()[path]


@pytest.mark.parametrize("name", SETTINGS)
def test_every_setting_is_used(name: str) -> None:
    """A service, role, playbook or template must read it: otherwise it would have no effect, unnoticed."""
    assert "x-services" in SETTINGS[name] or re.search(rf"\b{name}\b", USERS)


def test_the_example_file_is_accepted_with_and_without_what_is_optional() -> None:
    """Also when every # is removed; the defaults alone are refused."""
    text = EXAMPLE.read_text()
    filled_in = yaml.safe_load(text)
    whole = yaml.safe_load(re.sub(r"(?m)^# (?=ragdock_|  - )", "", text))
    defaults = {name: one["default"] for name, one in SETTINGS.items()}
    assert {"ragdock_name", "ragdock_region"} <= set(filled_in) < set(whole)
    assert preflight_problems(defaults, schema()) != []
    assert preflight_problems(defaults | filled_in, schema()) == []
    assert preflight_problems(defaults | whole, schema()) == []


def test_the_example_for_contributors_is_an_entry_of_the_schema() -> None:
    """Whoever adds a setting copies the example."""
    entry = re.search(
        r"^  ragdock_upload_slots:\n(?:    .*\n)+", (ROOT / "inventory/schema.yml").read_text(), re.MULTILINE
    )
    assert entry
    blocks = re.findall(r"(?:^ {4}.*\n)+", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert textwrap.dedent(entry[0]) in map(textwrap.dedent, blocks)


def test_the_hosts_own_copy_has_the_schema() -> None:
    """The host's job `renew` renders a release, whose variables come from this schema."""
    names = yaml.safe_load((ROOT / "roles/schedule/defaults/main.yml").read_text())["schedule_names"]
    assert "inventory/schema.yml" in names
