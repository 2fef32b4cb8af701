#!/usr/bin/python
"""Ansible module: records how a job of this host ended."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: job_record
short_description: Records how a job of this host ended
description:
  - Replaces state/<job>.json, adds a line to state/history/<job>.jsonl and sends metrics to CloudWatch.
  - A metric that cannot be sent is reported in the result and does not fail the job.
  - In check mode nothing is written.
options:
  job:
    description: The job.
    type: str
    required: true
    choices: [backup, drill, patch, prune, renew, keys, drift, restore, rotate]
  ok: {description: Whether it did what it is for., type: bool, required: true}
  started: {description: When it began (seconds since the epoch); 0 is unknown., type: float, default: 0}
  reason: {description: "Why it failed, or a remark.", type: str, default: ""}
  figures: {description: "Results of the job; numbers become metrics.", type: dict, default: {}}
  namespace: {description: CloudWatch namespace; empty to send nothing., type: str, default: ""}
  region: {description: AWS region., type: str, default: ""}
  keep: {description: Lines of history that stay., type: int, default: 400}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.endpoint
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Record how the job ended
  ragdock.host.job_record:
    job: backup
    ok: true
    started: 1790000000
    figures: {bytes_added: 4096}
    namespace: Ragdock/demo
    region: eu-central-1
"""

RETURN = r"""
entry: {description: What was written., type: dict, returned: success}
metric_problem: {description: Why CloudWatch did not get it; empty otherwise., type: str, returned: success}
"""

import time
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.jobs import (
    JOBS,
    LINES_KEPT,
    Outcome,
    put_metrics,
    write_record,
)


def main() -> None:
    """Write the record."""
    module = AnsibleModule(
        argument_spec=arguments("root", "endpoint")
        | {
            "job": {"type": "str", "required": True, "choices": list(JOBS)},
            "ok": {"type": "bool", "required": True},
            "started": {"type": "float", "default": 0},
            "reason": {"type": "str", "default": ""},
            "figures": {"type": "dict", "default": {}},
            "namespace": {"type": "str", "default": ""},
            "region": {"type": "str", "default": ""},
            "keep": {"type": "int", "default": LINES_KEPT},
        },
        supports_check_mode=True,
    )
    params, now = module.params, time.time()
    if module.check_mode:
        module.exit_json(changed=False, entry={}, metric_problem="")
    outcome = Outcome(
        params["job"], params["ok"], params["started"] or now, now, params["reason"], params["figures"]
    )
    try:
        entry = write_record(Path(params["root"]), outcome, params["keep"])
    except OSError as error:
        module.fail_json(
            msg=f"The result of {params['job']} could not be written below {params['root']}/state: {error}. "
            "The disk may be full (`df -h /opt/ragdock`); until then, status.yml calls the job overdue."
        )
    problem = ""
    if params["namespace"]:
        problem = put_metrics(entry, params["namespace"], params["region"], params["endpoint_url"])
    if problem:
        module.warn(f"The metrics of {params['job']} were not sent to CloudWatch: {problem}")
    module.exit_json(changed=True, entry=entry, metric_problem=problem)


if __name__ == "__main__":
    main()
