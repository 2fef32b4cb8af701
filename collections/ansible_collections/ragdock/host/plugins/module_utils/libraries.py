"""Libraries that a machine may lack: a task that needs one fails with what to install."""

from __future__ import annotations

import importlib.util

from ansible.module_utils.basic import AnsibleModule, missing_required_lib


def missing(*names: str) -> str:
    """What to install for the first of these that cannot be imported; empty if all can."""
    lacks = (name for name in names if importlib.util.find_spec(name) is None)
    return next((str(missing_required_lib(name)) for name in lacks), "")


def require(module: AnsibleModule, *names: str) -> None:
    """Fail unless each of these can be imported."""
    if lacks := missing(*names):
        module.fail_json(msg=lacks)
