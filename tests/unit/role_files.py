"""Files of roles, which are no packages: loaded by path, their helpers found as Ansible ships them."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import ansible.module_utils

ROLES = Path(__file__).parents[2] / "roles"


def share(*roles: str) -> None:
    """Let `ansible.module_utils` hold the helpers of these roles."""
    for role in roles:
        path = str(ROLES / role / "module_utils")
        if path not in ansible.module_utils.__path__:
            ansible.module_utils.__path__.append(path)


def load(path: str) -> ModuleType:
    """A file of a role as a module."""
    name = "role_" + Path(path).stem
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, ROLES / path)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]
