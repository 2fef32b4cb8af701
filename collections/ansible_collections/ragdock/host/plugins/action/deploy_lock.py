"""Action: takes or releases the deployment's lock."""

from __future__ import annotations

from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

from ansible_collections.ragdock.host.plugins.module_utils.aws.deploy_lock import (
    Lock,
    UnreadableError,
    describe,
    myself,
    same,
    take,
    watch,
)
from ansible_collections.ragdock.host.plugins.plugin_utils.controller import ControllerAction


class ActionModule(ControllerAction):
    """Takes the lock for this run, or gives it back."""

    ARGUMENTS: ClassVar[dict[str, dict[str, Any]]] = {
        "parameter": {"type": "str", "required": True},
        "verb": {"type": "str", "required": True},
        "state": {"type": "str", "choices": ["present", "absent"], "default": "present"},
        "take_from_other": {"type": "bool", "default": False},
    }
    LIBRARIES = ("boto3", "psutil")

    def answer(self, params: dict[str, Any]) -> dict[str, Any]:
        """Say whether this run now holds the lock."""
        if self._task.check_mode:
            return {"changed": False, "held": False}
        lock, me = Lock.connect(params["parameter"]), myself(params["verb"])
        try:
            if params["state"] == "absent":
                holder = lock.holder()
                if holder and same(holder, me):
                    lock.remove()
                return {"changed": False, "held": False}
            result = take(lock, me, params["take_from_other"])
        except UnreadableError as error:
            raise AnsibleActionFail(
                f"The lock {lock.name} could not be read or written: {error}. "
                "Compare your rights with docs/policies/operator.json. Nothing was changed."
            ) from None
        if not result["held"]:
            raise AnsibleActionFail(result["refusal"])
        watch(lock, me)
        if result.get("taken_from"):
            self._display.warning(
                f"The lock was taken over from {describe(result['taken_from'])}, which no longer runs."
            )
        return {"changed": False, **result}
