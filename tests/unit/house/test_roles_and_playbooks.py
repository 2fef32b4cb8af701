"""Conventions for roles and playbooks that a script can check."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.unit.role_files import MODULES, documented

ROOT = Path(__file__).parents[3]
ROLES = sorted(path for path in (ROOT / "roles").iterdir() if path.is_dir())
PLAYBOOKS = [ROOT / "site.yml", *sorted((ROOT / "playbooks").glob("*.yml"))]
PRIVATE = re.compile(rf"(?<!\w)__?({'|'.join(sorted((role.name for role in ROLES), reverse=True))})_\w+")
OTHER_FILES = re.compile(r"(?:roles|\.\.)/(\w+)/(?:defaults|vars|tasks|files|templates)/")
# Words with which the name of a play or task may begin. Add new verbs; a name that states a state has none.
VERBS = frozenset(Path(__file__).with_name("verbs.txt").read_text().split())
TASK_FILES = sorted({*ROOT.glob("roles/*/tasks/*.yml"), *PLAYBOOKS, *ROOT.glob("playbooks/parts/*.yml")})
MOLECULE = sorted({*ROOT.glob("molecule/*/*.yml"), *ROOT.glob("molecule/*/tasks/*.yml")})
# A specification adds a task, and each run of site.yml has these. They read what `main` has checked.
UNSPECIFIED = {("preflight", "lock"), ("preflight", "unlock"), ("stack", "build")}
LONGEST_TASK_FILE = 120
LONGEST_HEADER = 6
LONGEST_README = 65


def read(path: Path) -> dict[str, Any]:
    """A YAML mapping, empty when the file is not there."""
    return (yaml.safe_load(path.read_text()) or {}) if path.exists() else {}


def files_of(part: Path) -> list[Path]:
    """The files of a role, folder or single file, without Python's compiled ones."""
    found = [path for path in part.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    return found or [part]


SPECS = {role.name: read(role / "meta" / "argument_specs.yml")["argument_specs"] for role in ROLES}


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_every_default_is_described_and_nothing_else(role: Path) -> None:
    """A default without a specification has no type, so nothing checks its value."""
    described = {name for spec in SPECS[role.name].values() for name in spec.get("options", {})}
    undescribed = set(read(role / "defaults" / "main.yml")) - described
    assert not undescribed


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_role_variables_carry_the_role_name(role: Path) -> None:
    """A variable's name shows who may set it."""
    prefix = (f"{role.name}_", f"_{role.name}_")
    names = [*read(role / "defaults" / "main.yml"), *read(role / "vars" / "main.yml")]
    assert [name for name in names if not name.startswith(prefix)] == []


@pytest.mark.parametrize("part", [*ROLES, ROOT / "playbooks", ROOT / "site.yml"], ids=lambda part: part.stem)
def test_no_role_uses_what_is_private_to_another(part: Path) -> None:
    """A role may change what it does not document: its variables with an underscore, and its files."""
    files = [path for path in files_of(part) if path.suffix != ".md"]
    code = "\n".join(re.sub(r"(?m)(^|\s)#.*", "", path.read_text()) for path in files)
    variables = {found[0] for found in PRIVATE.finditer(code) if found[1] != part.name}
    others = {found[0] for found in OTHER_FILES.finditer(code) if found[1] != part.name}
    assert variables == set()
    assert others == set()


def test_the_path_on_the_host_is_written_once() -> None:
    """`ragdock_root` is the only place that says where Ragdock is installed on the host."""
    parts = [path for part in ("roles", "playbooks", "compose") for path in files_of(ROOT / part)]
    naming = [path for path in parts if "/opt/ragdock" in path.read_text()]
    assert naming == []


@pytest.mark.parametrize(
    "path",
    sorted(ROOT.glob("roles/*/tasks/*.yml")),
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_task_files_can_be_read_in_a_sitting(path: Path) -> None:
    """In a long task file, the order of the tasks is hard to see."""
    assert len(path.read_text().splitlines()) <= LONGEST_TASK_FILE


def tasks_of(found: object) -> Iterator[dict[str, Any]]:
    """Every task of a file, including those in blocks."""
    for one in found if isinstance(found, list) else []:
        yield one
        for part in ("block", "rescue", "always"):
            yield from tasks_of(one.get(part))


def outputs(role: Path) -> set[str]:
    """The public variables, facts and results that a role sets: those without a leading underscore."""
    given = set(read(role / "vars" / "main.yml"))
    for path in (role / "tasks").glob("*.yml"):
        for task in tasks_of(yaml.safe_load(path.read_text())):
            given |= {str(task.get("register", "_"))} | set(task.get("ansible.builtin.set_fact", {}))
            given |= {name for name in task.get("ansible.builtin.add_host", {}) if name.startswith(role.name)}
    return {name for name in given if not name.startswith("_")}


def table(text: str, heading: str) -> set[str]:
    """The variables of one table of a README."""
    return set(re.findall(r"(?m)^\| `(\w+)` \|", text.split(f"## {heading}\n")[1].split("\n## ")[0]))


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_reads_only_the_outputs_of_others(role: Path) -> None:
    """Inputs are for whoever runs a role; what several roles read is an output, or in the inventory."""
    inputs = {name for spec in SPECS.values() for one in spec.values() for name in one.get("options") or {}}
    shared = set(read(ROOT / "inventory" / "defaults.yml"))
    own = {name for spec in SPECS[role.name].values() for name in spec.get("options") or {}}
    files = [path for path in files_of(role) if path.suffix != ".md" and "meta" not in path.parts]
    code = "\n".join(re.sub(r"(?m)(^|\s)#.*|^\s*(- )?\w+:(?=\s)", "", path.read_text()) for path in files)
    assert set(re.findall(r"(?<![\w.])[a-z_]\w+", code)) & (inputs - own - shared) == set()


@pytest.mark.parametrize("role", ROLES, ids=lambda role: role.name)
def test_a_role_documents_what_it_takes_and_gives(role: Path) -> None:
    """On one page: requirements, inputs, outputs and an example."""
    text = (role / "README.md").read_text()
    specs = (role / "meta" / "argument_specs.yml").read_text()
    options = [one.get("options") or {} for one in SPECS[role.name].values()]
    assert re.findall(r"(?m)^## (.*)", text) == ["Requirements", "Inputs", "Outputs", "Example"]
    assert len(text.splitlines()) <= LONGEST_README
    assert table(text, "Inputs") == {name for option in options for name in option}
    assert table(text, "Outputs") == outputs(role)
    assert [name for name in outputs(role) if not re.search(rf"\b{name}\b", specs)] == []


def entry_points(found: object) -> Iterator[tuple[str, str]]:
    """The roles that a playbook or a task file runs, each with its entry point."""
    for one in found if isinstance(found, list) else []:
        for action in ("import_role", "include_role"):
            if role := one.get(f"ansible.builtin.{action}"):
                yield role["name"], role.get("tasks_from", "main")
        for part in ("tasks", "block", "rescue", "always"):
            yield from entry_points(one.get(part))


def test_the_entry_points_of_a_role_are_specified_documented_and_used() -> None:
    """`ansible-doc --type role` shows the specified ones; the README's table is what a reader sees."""
    files = [*TASK_FILES, *MOLECULE]
    run = {pair for path in files for pair in entry_points(yaml.safe_load(path.read_text()))}
    used = {
        (role, entry) for role, entry in run if role in SPECS
    }  # A scenario of molecule has templated names.
    specified = {(role, entry) for role, spec in SPECS.items() for entry in spec}
    in_readme = set()
    for role in ROLES:
        requirements = (role / "README.md").read_text().split("\n## Inputs\n")[0]
        listed = re.findall(r"(?m)^\| `(\w+)` \|", requirements) or ["main"]
        in_readme |= {(role.name, entry) for entry in listed}
    assert in_readme ^ used == set()
    assert specified ^ used == UNSPECIFIED


def names(found: object) -> Iterator[str]:
    """The name of every play and task, including those in blocks; the linter finds those without a name."""
    if isinstance(found, list):
        for one in found:
            yield str(one.get("name", ""))
            for part in ("tasks", "block", "rescue", "always"):
                yield from names(one.get(part))


@pytest.mark.parametrize(
    "path", [*TASK_FILES, *MOLECULE, *MODULES], ids=lambda path: str(path.relative_to(ROOT))
)
def test_names_of_plays_and_tasks_begin_with_a_verb(path: Path) -> None:
    """A name says what the task does, so that of a failed task says what failed."""
    tasks = documented(path, "EXAMPLES") if path in MODULES else yaml.safe_load(path.read_text())
    begins = [name for name in names(tasks) if name]
    assert [name for name in begins if name.split()[0] not in VERBS] == []


def plays_of(path: Path) -> Iterator[dict[str, Any]]:
    """The plays of a playbook and of those that it imports, in order."""
    for play in yaml.safe_load(path.read_text()):
        imported = play.get("ansible.builtin.import_playbook")
        if imported:
            yield from plays_of(path.parent / imported)
        else:
            yield play


def test_a_run_without_a_restore_ends_each_play_of_it_before_its_first_task() -> None:
    """site.yml imports all of them; a play that continued would restore a backup over the live data."""
    [imported] = [
        play for play in yaml.safe_load((ROOT / "site.yml").read_text()) if play["name"] == "Restore"
    ]
    assert imported["vars"] == {"prepare_needed": "{{ restore is defined }}"}
    plays = list(plays_of(ROOT / "playbooks/restore.yml"))
    skip = {"ansible.builtin.meta": "end_play", "when": "not prepare_needed | default(true)"}
    assert len(plays) == 3
    for play in plays:
        first = {key: value for key, value in play["tasks"][0].items() if key != "name"}
        assert first == skip, play["name"]
        assert not {"pre_tasks", "roles"} & set(play)


@pytest.mark.parametrize("path", PLAYBOOKS, ids=lambda path: str(path.relative_to(ROOT)))
def test_playbook_opens_by_saying_what_it_does(path: Path) -> None:
    """The first lines say what it does, what it changes, what it needs and how to undo it."""
    lines = [line for line in path.read_text().splitlines() if line != "---"]
    header = list(takewhile(lambda line: line.startswith("#"), lines))
    assert 1 <= len(header) <= LONGEST_HEADER
