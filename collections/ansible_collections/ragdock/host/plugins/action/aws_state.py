"""Action: reads what a deployment has in AWS and compares it with what it needs."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, ClassVar

from ansible.errors import AnsibleActionFail

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
from ansible_collections.ragdock.host.plugins.plugin_utils.controller import ControllerAction

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


class ActionModule(ControllerAction):
    """Reads and compares."""

    ARGUMENTS: ClassVar[dict[str, dict[str, Any]]] = {
        "name": {"type": "str", "required": True},
        "wanted": {"type": "dict", "required": True},
        "services": {"type": "list", "elements": "str", "required": True},
        "bucket": {"type": "str", "default": ""},
        "zone": {"type": "str", "default": ""},
        "domain": {"type": "str", "default": ""},
        "everything": {"type": "bool", "default": False},
    }

    def answer(self, params: dict[str, Any]) -> dict[str, Any]:
        """Return what exists, what differs, and what the roles have to do."""
        try:
            existing = read(params)
        except (BotoCoreError, ClientError, LookupError) as error:
            raise AnsibleActionFail(
                f"AWS could not list what deployment '{params['name']}' has: {error}. "
                "Nothing was changed. Compare your rights with docs/policies/operator.json and run again."
            ) from None
        wanted, check = params["wanted"], self._task.check_mode
        differs = compare(existing, wanted)
        to_do = sorted(wanted) if params["everything"] else sorted(differs)
        to_remove = surplus(existing, wanted, [*RESOURCES, *alarms_of(existing, params["name"])])
        differs |= {name: [SURPLUS] for name in to_remove}
        before = "".join(
            f"{name}: {'absent' if existing.get(name) is None else 'differs'}\n" for name in differs
        )
        after = "".join(f"{name}: {'; '.join(lines)}\n" for name, lines in differs.items())
        return {
            "changed": check and bool(differs),
            "existing": existing,
            "differs": differs,
            "to_do": [] if check else to_do,
            "to_remove": [] if check else to_remove,
            "diff": {"before": before, "after": after, "before_header": "AWS", "after_header": "wanted"},
        }
