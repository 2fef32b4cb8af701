#!/usr/bin/python
"""Reads everything that one deployment has in AWS and compares it with what it needs."""

from __future__ import annotations

DOCUMENTATION = r"""
module: aws_state
short_description: Compare a deployment's AWS resources with its settings
description:
  - Reads, in one process, every AWS resource of one deployment (found by tag or by name) and
    compares it with what its roles specify. The roles then run a module only for what differs,
    so a run that changes nothing costs one module, not thirty.
  - Changes nothing. In check mode it reports what the roles would change, with a diff.
options:
  name: {description: The deployment's name., type: str, required: true}
  wanted: {description: Properties by resource., type: dict, required: true}
  services: {description: Services that have a repository., type: list, elements: str, required: true}
  bucket: {description: The backup bucket; empty for none., type: str, default: ""}
  zone: {description: Id of the Route 53 zone; empty for none., type: str, default: ""}
  domain: {description: The public host name., type: str, default: ""}
  everything: {description: Call every wanted resource different., type: bool, default: false}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Compare what exists in AWS with what is wanted
  ragdock.host.aws_state:
    name: research
    wanted: {vpc: {cidr: 10.20.0.0/16}}
    services: [rag-app]
"""

RETURN = r"""
existing: {description: Properties by resource; null for what is not there., type: dict, returned: always}
differs: {description: Differences by resource., type: dict, returned: always}
to_do: {description: Names of what to make or change; empty in check mode., type: list, returned: always}
to_remove: {description: Names of what is not wanted; empty in check mode., type: list, returned: always}
"""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.compare import (
    SURPLUS,
    compare,
    surplus,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.read_ec2 import host, network
from ansible_collections.ragdock.host.plugins.module_utils.aws.read_model_host import RESOURCES, model_host
from ansible_collections.ragdock.host.plugins.module_utils.aws.read_services import (
    alarms_of,
    dns,
    identity,
    observability,
    registry,
    secrets,
    storage,
)
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError


def read(params: dict[str, Any]) -> dict[str, Any]:
    """Every resource of the deployment, by name; the services are queried in parallel."""
    client, name = clients(), params["name"]
    found: dict[str, Any] = {}
    with ThreadPoolExecutor() as threads:
        ec2 = client("ec2")
        readings = [threads.submit(network, ec2, name), threads.submit(host, ec2, name)]
        wants = bool(params["wanted"].keys() & set(RESOURCES))
        readings.append(threads.submit(model_host, client, name, wanted=wants))
        readings.append(threads.submit(identity, client("iam"), f"ragdock-{name}-host", "host"))
        readings.append(threads.submit(registry, client("ecr"), f"ragdock/{name}/", params["services"]))
        readings.append(threads.submit(storage, client("s3"), params["bucket"]))
        readings.append(threads.submit(secrets, client("ssm"), f"/ragdock/{name}/"))
        for reading in readings:
            found |= reading.result()
    instance = (found["instance"] or {}).get("id", "")
    found |= observability(client("sns"), client("cloudwatch"), name, instance)
    if params["zone"]:
        found |= dns(
            client("route53"), params["zone"], params["domain"], (found["address"] or {}).get("ip", "")
        )
    return found


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "name": {"type": "str", "required": True},
            "wanted": {"type": "dict", "required": True},
            "services": {"type": "list", "elements": "str", "required": True},
            "bucket": {"type": "str", "default": ""},
            "zone": {"type": "str", "default": ""},
            "domain": {"type": "str", "default": ""},
            "everything": {"type": "bool", "default": False},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    try:
        existing = read(module.params)
    except (BotoCoreError, ClientError, LookupError) as error:
        module.fail_json(
            msg=f"AWS could not list what deployment '{module.params['name']}' has: {error}. "
            "Nothing was changed. Compare your rights with docs/policies/operator.json and run again."
        )
    wanted = module.params["wanted"]
    differs = compare(existing, wanted)
    to_do = sorted(wanted) if module.params["everything"] else sorted(differs)
    to_remove = surplus(existing, wanted, [*RESOURCES, *alarms_of(existing, module.params["name"])])
    differs |= {name: [SURPLUS] for name in to_remove}
    before = "".join(f"{name}: {'absent' if existing.get(name) is None else 'differs'}\n" for name in differs)
    after = "".join(f"{name}: {'; '.join(lines)}\n" for name, lines in differs.items())
    module.exit_json(
        changed=module.check_mode and bool(differs),
        existing=existing,
        differs=differs,
        to_do=[] if module.check_mode else to_do,
        to_remove=[] if module.check_mode else to_remove,
        diff={"before": before, "after": after, "before_header": "AWS", "after_header": "wanted"},
    )


if __name__ == "__main__":
    main()
