"""Ansible module: how far each secret's rotation is, and its next step, in the Parameter Store.

`<name>_next` beside `<name>` is the whole memory of a rotation. While the two differ it has begun: both
are accepted. When they are equal the new value is the deployment's, and only the old one's end is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import boto3
from ansible.module_utils.basic import AnsibleModule
from ansible.module_utils.ragdock_secret_store import QUICK, Store, password
from botocore.exceptions import BotoCoreError, ClientError

DOCUMENTATION = r"""
module: rotation_store
short_description: A step of a rotation in the Parameter Store
description:
  - C(begin) makes the new value of each chosen secret beside the old; what an earlier run began goes on.
  - C(promote) makes the new value the deployment's. C(finish) removes what was beside it.
  - No value is an argument or a result.
options:
  path: {description: Parameter path that ends with a slash., type: str, required: true}
  step: {description: What to do., type: str, choices: [begin, promote, finish], required: true}
  wanted: {description: "Names with commas between them, or all.", type: str, default: ""}
  names: {description: Secrets that can be rotated., type: list, elements: str, required: true}
  not_yet: {description: Secrets that cannot and why., type: dict, default: {}}
  notes: {description: Name and a word to keep until the end (restic's old key)., type: dict, default: {}}
  tags: {description: Tags of the parameters., type: dict, default: {}}
author: [Ragdock]
"""

EXAMPLES = r"""
- name: The new values are beside the old
  rotation_store: {path: /ragdock/research/, step: begin, wanted: api_token, names: [api_token]}
"""

RETURN = r"""
begun: {description: Names whose old value is still the deployment's., type: list, returned: success}
promoted: {description: Names of which only the old value's end is left., type: list, returned: success}
resumed: {description: Names that an earlier run left half-way., type: list, returned: success}
notes: {description: Kept words by name., type: dict, returned: success}
"""

NEXT, NOTE = "_next", "_old_key"


def chosen(wanted: str, names: list[str], not_yet: Mapping[str, str]) -> list[str]:
    """The names asked for; a word that is none is refused with those that are."""
    words = [word.strip() for word in wanted.split(",") if word.strip()]
    if words == ["all"]:
        return list(names)
    for word in words:
        if word in not_yet:
            raise LookupError(
                f"{word} cannot be rotated yet: {not_yet[word]}. docs/rotation.md says what to do instead"
            )
        if word not in names:
            raise LookupError(
                f"No secret is named {word}. Those that can be rotated: {', '.join(names)}, or all"
            )
    return [name for name in names if name in words]


def phases(store: Store, names: list[str]) -> tuple[list[str], list[str]]:
    """Names that have begun, and those that were promoted."""
    present = store.names()
    begun: list[str] = []
    promoted: list[str] = []
    for name in names:
        if name + NEXT in present:
            (promoted if store.value(name) == store.value(name + NEXT) else begun).append(name)
    return begun, promoted


def step(store: Store, params: Mapping[str, Any], *, dry: bool) -> dict[str, Any]:
    """Do one step; the result for Ansible."""
    names = list(params["names"])
    asked = chosen(params["wanted"], names, params["not_yet"])
    begun, promoted = phases(store, names)
    left = [*begun, *promoted]
    changed = False
    if params["step"] == "begin":
        present = store.names()
        fresh = [name for name in asked if name not in left and name in present]
        for name in fresh if not dry else ():
            store.add(name + NEXT, password())
        begun += fresh
        changed = bool(fresh or left)
    elif params["step"] == "promote" and not dry:
        present = store.names()
        for name, note in params["notes"].items():
            # Before the value: afterwards nobody could tell which key was the old one.
            if name in begun and note and name + NOTE not in present:
                store.add(name + NOTE, note)
        for name in begun:
            store.replace(name, store.value(name + NEXT).decode())
        changed, promoted, begun = bool(begun), [*promoted, *begun], []
    elif params["step"] == "finish" and not dry:
        kept = [name + NOTE for name in names if name + NOTE in store.names()]
        # The value last: while it is there, the next run knows that something is left.
        store.remove(kept)
        store.remove([name + NEXT for name in promoted])
        changed, promoted = bool(promoted), []
    present = store.names()
    notes = {name: store.value(name + NOTE).decode() for name in names if name + NOTE in present}
    return {"changed": changed, "begun": begun, "promoted": promoted, "resumed": left, "notes": notes}


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "step": {"type": "str", "choices": ["begin", "promote", "finish"], "required": True},
            "wanted": {"type": "str", "default": ""},
            "names": {"type": "list", "elements": "str", "required": True},
            "not_yet": {"type": "dict", "default": {}},
            "notes": {"type": "dict", "default": {}},
            "tags": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        store = Store(boto3.client("ssm", config=QUICK), params["path"], params["tags"])
        result = step(store, params, dry=module.check_mode)
    except LookupError as error:
        module.fail_json(msg=f"{error}.")
        return
    except (BotoCoreError, ClientError) as error:
        module.fail_json(
            msg=f"The step '{params['step']}' of the rotation under {params['path']} stopped: {error}. "
            "Both values are accepted meanwhile. Compare your rights with docs/policies/operator.json "
            "and run playbooks/rotate.yml again: it goes on where this run stopped."
        )
        return
    lines = [
        f"{name}: {'end of the old value' if name in result['promoted'] else 'a new value'}\n"
        for name in (*result["begun"], *result["promoted"])
    ]
    module.exit_json(**result, diff={"before": "", "after": "".join(lines)})


if __name__ == "__main__":
    main()
