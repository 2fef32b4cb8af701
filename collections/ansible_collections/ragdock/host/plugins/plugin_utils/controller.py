"""Actions that do a module's work in the task's own process, on the machine that runs the playbook.

A module there would be packed and started, and would import boto3, for each task: most of a second. A task's
process is a fork of the run's, which has imported all of it once.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail
from ansible.plugins.action import ActionBase

from ansible_collections.ragdock.host.plugins.module_utils.libraries import missing


class ControllerAction(ActionBase, ABC):
    """Checks the arguments and answers as a module would."""

    ARGUMENTS: ClassVar[dict[str, dict[str, Any]]]
    LIBRARIES: ClassVar[tuple[str, ...]] = ("boto3",)

    @abstractmethod
    def answer(self, params: dict[str, Any]) -> dict[str, Any]:
        """Do the work; raises AnsibleActionFail with what failed and what to do."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the module's result."""
        result: dict[str, Any] = super().run(tmp, task_vars)
        if lacks := missing(*self.LIBRARIES):
            raise AnsibleActionFail(lacks)
        params = self.validate_argument_spec(self.ARGUMENTS)[1]
        environment: dict[str, str] = {}
        self._compute_environment_string(environment)
        # No other task uses this process.
        os.environ.update({name: str(value) for name, value in environment.items()})
        return result | self.answer(params)
