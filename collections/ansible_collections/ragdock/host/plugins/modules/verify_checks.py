#!/usr/bin/python
"""Ansible module: checks a deployment on its host and changes nothing."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: verify_checks
short_description: Checks a deployment and changes nothing
description:
  - Checks in one call the containers and their rights, the ports that the host opens, where secrets are
    stored, and what the endpoint, OpenSearch and the models answer.
  - The action plugin of the same name also checks the public endpoint from the operator's machine.
options:
  name: {description: Public name or address of the deployment., type: str, required: true}
  outside:
    description: URL outside the host that the host reaches and no container but those with a way out may.
    type: str
    required: true
  drift: {description: Check also for drift from what was deployed., type: bool, default: false}
extends_documentation_fragment:
  - ragdock.host.arguments.root
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Run the checks
  ragdock.host.verify_checks:
    name: "{{ verify_name }}"
    outside: "{{ verify_outside }}"
"""

RETURN = r"""
began: {description: "When the checks began, in seconds since the epoch.", type: float, returned: success}
rows: {description: "For each check its area, name, result, figure and hint.", type: list, returned: success}
certificate_days: {description: Days until the first certificate ends., type: int, returned: success}
ca: {description: PEM of the endpoint's own authority; empty with a public one., type: str, returned: success}
"""

import time
from datetime import UTC, datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.verify import (
    containers,
    drift,
    host,
    networks,
    secrets,
    services,
)
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    Check,
    CheckError,
    Deployment,
    rows_of,
)

CHECKS: tuple[tuple[str, Check], ...] = (
    (services.ENDPOINT, services.endpoint),
    (containers.AREA, containers.what_runs),
    (containers.AREA, containers.what_they_may),
    (containers.AREA, containers.limits),
    (containers.AREA, containers.published),
    (networks.AREA, networks.as_written),
    (networks.AREA, networks.ways_out),
    (networks.AREA, networks.among_each_other),
    (services.MODELS, services.model_proxy),
    (services.MODELS, services.remote_proxy),
    (services.SEARCH, services.search_engine),
    (services.SEARCH, services.plugins),
    (services.MODELS, services.models),
    (secrets.AREA, secrets.modes),
    (secrets.AREA, secrets.nowhere_else),
    (secrets.AREA, secrets.certificates),
    (host.AREA, host.sockets),
    (host.AREA, host.room),
    (host.AREA, host.clock),
    (host.AREA, host.releases),
)
DRIFT: tuple[tuple[str, Check], ...] = (
    (drift.AREA, drift.release_files),
    (drift.AREA, drift.live_config),
    (drift.AREA, drift.container_specs),
    (drift.AREA, drift.jobs),
)


def main() -> None:
    """Run the checks."""
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "name": {"type": "str", "required": True},
            "outside": {"type": "str", "required": True},
            "drift": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    require(module, "cryptography")
    wanted, began = module.params, time.time()
    deployment = Deployment(
        Path(wanted["root"]), wanted["name"], wanted["project"], outside=wanted["outside"]
    )
    try:
        deployment.read()
        ca = services.endpoint_ca(deployment)
        days = secrets.certificate_days(deployment.root / "secrets", datetime.now(UTC))
    except (CheckError, EngineError, OSError, ValueError) as error:
        module.fail_json(
            msg=f"The deployment cannot be read: {error}. playbooks/status.yml shows what is deployed."
        )
    rows = rows_of(deployment, CHECKS + DRIFT if wanted["drift"] else CHECKS)
    module.exit_json(
        changed=False,
        began=began,
        ca=ca,
        certificate_days=min(days.values(), default=0),
        rows=[row.as_dict() for row in rows],
    )


if __name__ == "__main__":
    main()
