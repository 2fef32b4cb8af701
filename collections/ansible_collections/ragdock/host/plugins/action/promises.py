"""Action: the host's promises, and the public endpoint as asked from the operator's machine."""

from __future__ import annotations

import ssl
import time
import urllib.error
import urllib.request
from typing import Any

from ansible.plugins.action import ActionBase

SECONDS = 10.0
HINT = (
    "The host answers but this machine does not reach it: look at DNS, the security group (80 and 443), "
    "and a proxy in between."
)


def asked_from_here(name: str, ca: str) -> dict[str, Any]:
    """One promise: this machine reaches the public endpoint and trusts what it finds."""
    trust = ssl.create_default_context(cadata=ca) if ca else ssl.create_default_context()
    # The deployment's own name is asked directly, as its users do: no proxy of this machine in between.
    ask = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust)
    )
    began = time.monotonic()
    try:
        with ask.open(f"https://{name}/api/health", timeout=SECONDS) as answer:
            held, figure = answer.status == 200, f"{answer.status} in {time.monotonic() - began:.2f} s"
    except urllib.error.HTTPError as error:
        held, figure = False, f"answered {error.code}"
    except (urllib.error.URLError, OSError) as error:
        held, figure = False, str(getattr(error, "reason", error))
    return {
        "area": "endpoint",
        "promise": f"https://{name}/ answers from here",
        "held": held,
        "figure": figure,
        "hint": HINT,
    }


class ActionModule(ActionBase):
    """Run the module, add one row."""

    def run(self, tmp: str | None = None, task_vars: dict[str, Any] | None = None) -> dict[str, Any]:
        """The host's rows with the operator's in front."""
        super().run(tmp, task_vars)
        found: dict[str, Any] = self._execute_module(task_vars=task_vars)
        # On the host itself "from here" is no outside: its own address may not even lead back to it.
        if not found.get("failed") and self._connection.transport != "local":
            found["rows"].insert(0, asked_from_here(self._task.args["name"], found["ca"]))
        return found
