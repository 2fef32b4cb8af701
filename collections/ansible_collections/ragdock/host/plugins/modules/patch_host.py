#!/usr/bin/python
"""Ansible module: restarts the patched host and waits until its stack is healthy."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: patch_host
short_description: Restarts the patched host and waits until its stack is healthy
description:
  - C(restart) restarts the host some seconds later, so that the calling run can end. With C(notes),
    the host's own ragdock-after-boot service continues after the boot.
  - C(resume) returns those notes and removes them.
  - C(settle) waits until every container of the stack is healthy, after another boot when one is named.
options:
  step: {description: What to do., type: str, choices: [restart, resume, settle], required: true}
  notes: {description: What the run after the boot must know., type: dict, default: {}}
  boot: {description: The boot that must be over., type: str, default: ""}
  timeout: {description: Seconds that the stack may take., type: int, default: 600}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Wait until the stack is healthy
  ragdock.host.patch_host:
    step: settle
"""

RETURN = r"""
boot: {description: Names this boot., type: str, returned: always}
notes: {description: What was noted before the boot., type: dict, returned: always}
"""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import LABEL, Engine
from ansible_collections.ragdock.host.plugins.module_utils.jobs import replace
from ansible_collections.ragdock.host.plugins.module_utils.processes import boot

NOTES = "patch-resume.json"
DELAY_SECONDS = 10
POLL_SECONDS = 3.0


def unwell(project: str) -> list[str]:
    """Containers that are not healthy, in words."""
    words = [
        "ps",
        "--all",
        "--filter",
        f"label={LABEL}.project={project}",
        "--format",
        "{{.Names}} {{.Status}}",
    ]
    code, out, err = Engine().answer(words)
    if code:
        return [f"docker does not answer: {err.strip()}"]
    return [line for line in out.splitlines() if "(healthy)" not in line] or (
        [] if out.strip() else ["no container of the stack is there"]
    )


def settle(params: dict[str, Any]) -> None:
    """Wait until every container is healthy; raise with those that are not."""
    until = time.monotonic() + params["timeout"]
    while True:
        trouble = (
            ["the host has not restarted yet"] if params["boot"] == boot() else unwell(params["project"])
        )
        if not trouble:
            return
        if time.monotonic() > until:
            raise RuntimeError(f"not healthy after {params['timeout']} s: {'; '.join(trouble)}")
        time.sleep(POLL_SECONDS)


def main() -> None:
    """Do the step."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "step": {"type": "str", "choices": ["restart", "resume", "settle"], "required": True},
            "notes": {"type": "dict", "default": {}},
            "boot": {"type": "str", "default": ""},
            "timeout": {"type": "int", "default": 600},
        },
        supports_check_mode=True,
    )
    params: dict[str, Any] = module.params
    found: dict[str, Any] = {}
    path = Path(params["root"]) / "state" / NOTES
    if module.check_mode:
        module.exit_json(changed=False, boot=boot(), notes={})
    try:
        if params["step"] == "settle":
            settle(params)
        elif params["step"] == "resume":
            found = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
            path.unlink(missing_ok=True)
        else:
            if params["notes"]:
                replace(path, json.dumps(params["notes"], indent=2, sort_keys=True) + "\n")
            # A timer may otherwise be a minute late, and restart the host under the tasks that follow.
            timer = [f"--on-active={DELAY_SECONDS}", "--timer-property=AccuracySec=1s"]
            words = ["systemd-run", *timer, "systemctl", "reboot"]
            subprocess.run(words, check=True, capture_output=True, text=True)
    except (RuntimeError, OSError, ValueError, subprocess.CalledProcessError) as error:
        module.fail_json(msg=f"{params['step']}: {error}")
    module.exit_json(changed=params["step"] == "restart", boot=boot(), notes=found)


if __name__ == "__main__":
    main()
