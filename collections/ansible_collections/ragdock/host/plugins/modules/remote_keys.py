#!/usr/bin/python
"""Ansible module: makes the short-term keys for models on Amazon Bedrock."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: remote_keys
short_description: Makes short-term keys of Amazon Bedrock from the host's role
description:
  - Signs a key for each model with the credentials of the host's role and writes it to its file. Each
    replaces the one before by rename, so that the proxy of remote models always reads a whole one.
  - A key lasts 12 hours, or as long as the credentials of the role that signed it if that is shorter.
  - Nothing is sent anywhere. A key is in no result, no argument and no log.
  - The library is AWS's own, and is in the control copy on the host.
options:
  keys:
    description: Files below root/secrets.
    type: list
    elements: dict
    required: true
    suboptions:
      path: {description: Below root/secrets., type: str, required: true}
      region: {description: Region of Bedrock., type: str, required: true}
  uid: {description: Owner and group of the files., type: int, required: true}
  least_minutes:
    description: The keys are written in any case, but the module fails if they are valid for less than this.
    type: int
    default: 0
extends_documentation_fragment:
  - ragdock.host.arguments.root
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Make the short-term keys
  ragdock.host.remote_keys:
    keys: [{path: remote/gpt-oss, region: us-east-1}]
    uid: 10005
    least_minutes: 65
"""

RETURN = r"""
began: {description: When it began (seconds since the epoch)., type: float, returned: success}
figures: {description: "How many keys, and the minutes that each is valid.", type: dict, returned: success}
"""

import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import ensure_secret

PACKAGE = "deployer/python"
LONGEST_MINUTES = 12 * 60


def minutes_left(credentials: Any, now: datetime) -> int:
    """Minutes for which a key is valid that these credentials sign now."""
    until = getattr(credentials, "_expiry_time", None)
    left = LONGEST_MINUTES if until is None else int((until - now).total_seconds() // 60)
    return min(left, LONGEST_MINUTES)


def make(root: Path, keys: list[dict[str, str]], uid: int, session: Any, provide: Any) -> int:
    """Write a key for each model; return the minutes for which they are valid."""
    credentials = session.get_credentials()
    if credentials is None:
        raise LookupError("the instance metadata has no credentials of the host's role")

    class Found:
        """Passes the given credentials to the library in the form that it expects."""

        @staticmethod
        def load() -> Any:
            return credentials

    for one in keys:
        key = provide(region=one["region"], aws_credentials_provider=Found)
        ensure_secret(root / "secrets" / one["path"], key, uid, check=False)
    return minutes_left(credentials, datetime.now(UTC))


def short_lived(minutes: int, least: int) -> str:
    """The message for keys that end before the next run makes new ones; empty if they do not."""
    if minutes >= least:
        return ""
    return (
        f"The keys of models on Bedrock were made, but are valid for {minutes} minutes only, less than the "
        f"{least} until the next run has made new ones: the credentials of the host's role end then. AWS "
        "normally renews those hours before. Until they end, the models answer; afterwards the fallback "
        "model does. Run playbooks/keys.yml again in some minutes. If it fails again, run "
        "playbooks/provision.yml, which gives the host its role, and check the "
        "instance metadata service on the host."
    )


def main() -> None:
    """Make the keys."""
    module = AnsibleModule(
        argument_spec=arguments("root")
        | {
            "keys": {
                "type": "list", "elements": "dict", "required": True, "no_log": False,
                "options": {
                    "path": {"type": "str", "required": True}, "region": {"type": "str", "required": True},
                },
            },
            "uid": {"type": "int", "required": True},
            "least_minutes": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )  # fmt: skip
    began, params = time.time(), module.params
    if module.check_mode:
        module.exit_json(changed=False, began=began, figures={})
    root = Path(params["root"])
    sys.path.insert(0, str(root / PACKAGE))
    try:
        # Installed only on a host that was configured for it.
        from aws_bedrock_token_generator import provide_token
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session
    except ImportError as error:
        module.fail_json(
            msg=f"The keys of models on Bedrock cannot be made: {error}. Run playbooks/configure.yml: it "
            f"copies AWS's library to {root / PACKAGE}."
        )
    try:
        minutes = make(root, params["keys"], params["uid"], Session(), provide_token)
    except (BotoCoreError, LookupError, OSError, RuntimeError, ValueError) as error:
        module.fail_json(
            msg=f"The keys of models on Bedrock could not be made: {error}. Until they are, the local model "
            "answers. Run playbooks/provision.yml, which gives the host its role, then playbooks/keys.yml."
        )
    if problem := short_lived(minutes, params["least_minutes"]):
        module.fail_json(msg=problem, began=began)
    # A new key on each run is intended and does not affect any release.
    module.exit_json(
        changed=False, began=began, figures={"keys": len(params["keys"]), "valid_minutes": minutes}
    )


if __name__ == "__main__":
    main()
