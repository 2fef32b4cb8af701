"""Ansible modules are files, not packages: each is loaded by its path."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

LIBRARY = Path(__file__).parents[3] / "roles" / "host_baseline" / "library"


def load(name: str) -> ModuleType:
    """Import a module of the role."""
    spec = importlib.util.spec_from_file_location(name, LIBRARY / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class Runner:
    """Stands where AnsibleModule does, and runs commands for real."""

    def __init__(self, *, check_mode: bool = False) -> None:
        self.check_mode = check_mode

    def run_command(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        """Exit code, output and error output of the command."""
        outcome = subprocess.run(argv, capture_output=True, text=True, check=False)
        return outcome.returncode, outcome.stdout, outcome.stderr
