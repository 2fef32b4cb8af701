"""Libraries that a machine may lack: a module that needs one fails with what to install."""

from __future__ import annotations

import importlib.util

from ansible.module_utils.basic import AnsibleModule, missing_required_lib


def require(module: AnsibleModule, *names: str) -> None:
    """Fail unless each of these can be imported."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            module.fail_json(msg=missing_required_lib(name))
