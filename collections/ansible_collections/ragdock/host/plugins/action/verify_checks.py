"""Action: the checks on the host, and one of the public endpoint from the operator's machine."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from typing import Any

from ansible.plugins.action import ActionBase

from ansible_collections.ragdock.host.plugins.module_utils.https import trust

SECONDS = 10.0
HINT = (
    "The host answers but this machine cannot reach it. Check DNS, whether ragdock_allowed_cidrs includes "
    "this machine's address, and any proxy in between."
)


def asked_from_here(name: str, ca: str) -> dict[str, Any]:
    """Check that this machine reaches the public endpoint and trusts its certificate."""
    # Connect directly, as users do, without a proxy of this machine.
    ask = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust(ca, system=True))
    )
    began = time.monotonic()
    try:
        with ask.open(f"https://{name}/api/health", timeout=SECONDS) as answer:
            passed, figure = answer.status == 200, f"{answer.status} in {time.monotonic() - began:.2f} s"
    except urllib.error.HTTPError as error:
        passed, figure = False, f"answered {error.code}"
    except (urllib.error.URLError, OSError) as error:
        passed, figure = False, str(getattr(error, "reason", error))
    return {
        "area": "endpoint",
        "check": f"https://{name}/ answers from this machine",
        "passed": passed,
        "figure": figure,
        "hint": HINT,
    }


class ActionModule(ActionBase):
    """Runs the module and adds one row."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return the operator's row, then the host's."""
        super().run(tmp, task_vars)
        found: dict[str, Any] = self._execute_module(task_vars=task_vars)
        # Not when this runs on the host itself: that is no check from outside, and the host may not reach
        # its own public address.
        if not found.get("failed") and self._connection.transport != "local":
            found["rows"].insert(0, asked_from_here(self._task.args["name"], found["ca"]))
        return found
