"""Roles contain YAML, templates and files only; code is in a collection that installs anywhere."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.ragdock.host.plugins.doc_fragments.arguments import ModuleDocFragment
from ansible_collections.ragdock.host.plugins.module_utils.arguments import GROUPS
from ansible_collections.ragdock.host.plugins.plugin_utils.controller import ControllerAction
from tests.unit.role_files import CHECKOUT, COLLECTION, COLLECTIONS, MODULES, PLUGINS, ROLES, documented

PROGRAMS = Path(sys.executable).parent
ACTIONS = sorted((PLUGINS / "action").glob("*.py"))
NAMES = [module.stem for module in MODULES]
GALAXY = yaml.safe_load((COLLECTION / "galaxy.yml").read_text())


def groups_of(module: Path) -> set[str]:
    """The argument groups that a module, or the action that does its work, uses."""
    action = PLUGINS / "action" / module.name
    files = [module, action] if action.exists() else [module]
    calls = [
        node for file in files for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
    ]
    named = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "arguments"]
    return {str(word.value) for call in named for word in call.args if isinstance(word, ast.Constant)}


def fragments_of(module: Path) -> list[str]:
    """The doc fragments that a module extends."""
    return list(documented(module, "DOCUMENTATION").get("extends_documentation_fragment", []))


def options_of(group: str) -> dict[str, Any]:
    """The options that the doc fragment of a group describes."""
    found: dict[str, Any] = yaml.safe_load(getattr(ModuleDocFragment, group.upper()))["options"]
    return found


def environment(home: Path, collections: Path) -> dict[str, str]:
    """An environment with only the checkout's programs, so that no file outside the archive is found."""
    return {
        "PATH": f"{PROGRAMS}:/usr/bin:/bin",
        "HOME": str(home),
        "LC_ALL": "C.UTF-8",
        "ANSIBLE_COLLECTIONS_PATH": str(collections),
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def test_roles_share_code_through_the_collection_only() -> None:
    """A symbolic link is invisible to type checkers, and missing from an archive that does not follow it."""
    assert [path for path in ROLES.rglob("*") if path.is_symlink()] == []
    assert list(ROLES.rglob("*.py")) == []


def test_the_version_is_that_of_the_project() -> None:
    """pyproject.toml defines it, but ansible-galaxy needs it in a file of its own."""
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
    assert GALAXY["version"] == project["version"]


@pytest.mark.parametrize("group", GROUPS)
def test_a_group_of_arguments_is_an_action_group_and_a_doc_fragment(group: str) -> None:
    """Otherwise a block's default would miss a module of the group, or reach one that does not accept it."""
    runtime = yaml.safe_load((COLLECTION / "meta/runtime.yml").read_text())
    members = [module for module in MODULES if group in groups_of(module)]
    assert runtime["action_groups"][group] == [module.stem for module in members]
    assert set(options_of(group)) == set(GROUPS[group])
    for module in members:
        assert f"ragdock.host.arguments.{group}" in fragments_of(module), module


@pytest.mark.parametrize("module", MODULES, ids=lambda module: module.stem)
def test_an_example_is_complete(module: Path) -> None:
    """It can be copied: with every argument that is required, and none that does not exist."""
    groups = [name.rpartition(".")[2] for name in fragments_of(module) if name.startswith("ragdock.host.")]
    options = dict(documented(module, "DOCUMENTATION")["options"])
    for group in groups:
        options |= options_of(group)
    required = {
        name
        for name, option in options.items()
        if option.get("required") and "Set by the action plugin" not in str(option["description"])
    }
    # An action plugin may take arguments that the module does not.
    known = None if (PLUGINS / "action" / module.name).exists() else set(options)
    for task in documented(module, "EXAMPLES"):
        given = set(task[f"ragdock.host.{module.stem}"])
        assert required <= given, required - given
        assert known is None or given <= known, given - known


def controller_actions() -> dict[str, type[ControllerAction]]:
    """The actions that do the work of a module, by name."""
    prefix = "ansible_collections.ragdock.host.plugins.action"
    actions = {path.stem: import_module(f"{prefix}.{path.stem}").ActionModule for path in ACTIONS}
    return {name: action for name, action in actions.items() if issubclass(action, ControllerAction)}


@pytest.mark.parametrize(("name", "action"), controller_actions().items())
def test_an_action_takes_the_arguments_that_its_module_documents(
    name: str, action: type[ControllerAction]
) -> None:
    """ansible-test compares only those of a module that has code."""
    module = PLUGINS / "modules" / f"{name}.py"
    options = dict(documented(module, "DOCUMENTATION")["options"])
    for group in groups_of(module):
        options |= options_of(group)
    described = {
        option: {key: value for key, value in about.items() if key != "description"}
        for option, about in options.items()
    }
    assert described == action.ARGUMENTS
    assert "AnsibleModule" not in module.read_text(), "the work has two places"


def test_a_block_gives_an_argument_to_every_module_of_a_group(tmp_path: Path) -> None:
    """Roles set arguments this way."""
    play = {
        "hosts": "localhost",
        "gather_facts": False,
        "vars": {"ansible_python_interpreter": sys.executable},
        "tasks": [
            {
                "module_defaults": {"group/ragdock.host.root": {"root": str(tmp_path)}},
                "block": [{"ragdock.host.job_record": {"job": "backup", "ok": True}}],
            }
        ],
    }
    (tmp_path / "play.yml").write_text(json.dumps([play]))
    words: list[str | Path] = [
        PROGRAMS / "ansible-playbook",
        "-c",
        "local",
        "-i",
        "localhost,",
        tmp_path / "play.yml",
    ]
    done = subprocess.run(
        words, env=environment(tmp_path, COLLECTIONS), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads((tmp_path / "state/backup.json").read_text())["ok"] is True


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collection, built into an archive and installed elsewhere."""
    place = tmp_path_factory.mktemp("galaxy")
    archive = place / f"ragdock-host-{GALAXY['version']}.tar.gz"
    steps: tuple[list[str | Path], ...] = (
        ["build", COLLECTION, "--output-path", place],
        ["install", archive, "--offline", "--collections-path", place / "collections"],
    )
    for words in steps:
        done = subprocess.run(
            [PROGRAMS / "ansible-galaxy", "collection", *words],
            env=environment(place, place / "collections"),
            cwd=place,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return place / "collections"


def test_the_archive_installs_elsewhere_and_documents_every_module(installed: Path) -> None:
    """ansible-doc shows options, examples and results from the installed archive alone."""
    names = [f"ragdock.host.{name}" for name in NAMES]
    words: list[str | Path] = [PROGRAMS / "ansible-doc", "--type", "module", "--json", *names]
    shown = subprocess.run(
        words,
        env=environment(installed.parent, installed),
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(shown.stdout)
    assert sorted(found) == names
    for name, parts in found.items():
        assert parts["doc"]["filename"].startswith(str(installed)), name
        assert parts["doc"]["options"], name
        assert f"{name}:" in parts["examples"], name
        assert parts["return"], name


def test_nothing_that_was_left_by_a_test_is_in_the_archive(installed: Path) -> None:
    """The archive contains only sources."""
    inside = installed / "ansible_collections/ragdock/host"
    assert not list(inside.rglob("*.pyc"))
    assert not (inside / "tests/output").exists()
