#!/usr/bin/python
"""Ansible module: reads each secret's phase of rotation in the Parameter Store, and takes the next step.

`<name>_next` beside `<name>` is the whole state of a rotation. While the two differ, the rotation has begun
and both are accepted. When they are equal, the new value is in use and only `<name>_next` is left to remove.
For a key pair, the certificate decides; its key is written first each time.
"""

from __future__ import annotations

DOCUMENTATION = r"""
module: rotation_store
short_description: A step of a rotation in the Parameter Store
description:
  - C(begin) makes the new value of each chosen secret beside the old one, and completes what an earlier run
    began. C(promote) makes the new value the deployment's. C(finish) removes the copy beside it.
  - With an authority, everything that it signed is rotated, so that one run leaves nothing of the old one.
  - No argument and no result contains a value.
options:
  path: {description: Parameter path that ends with a slash., type: str, required: true}
  step: {description: What to do., type: str, choices: [begin, promote, finish], required: true}
  wanted:
    description: "Names with commas between them, all, or due (certificates that end soon)."
    type: str
    default: ""
  names: {description: Secrets that can be rotated., type: list, elements: str, required: true}
  alone: {description: Names that C(all) leaves out., type: list, elements: str, default: []}
  apart: {description: Secrets whose rotation must not be incomplete., type: list, elements: str, default: []}
  certificates: {description: Pairs as role aws_secrets names them., type: list, elements: dict, default: []}
  crossed:
    description: Authorities that people install. The old one countersigns the new one, as C(<name>_cross).
    type: list
    elements: str
    default: []
  deployment: {description: Organisation in the certificates., type: str, default: ""}
  due_days: {description: A certificate that ends sooner is due., type: int, default: 0}
  notes: {description: Name and a word to keep until the end (restic's old key)., type: dict, default: {}}
  tags: {description: Tags of the parameters., type: dict, default: {}}
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Create the new values beside the old ones
  ragdock.host.rotation_store: {path: /ragdock/research/, step: begin, wanted: api_token, names: [api_token]}
"""

RETURN = r"""
begun: {description: Names whose old value is still the deployment's., type: list, returned: success}
promoted: {description: Names of which only the old value's end is left., type: list, returned: success}
resumed: {description: Names whose rotation an earlier run left incomplete., type: list, returned: success}
ends: {description: Certificate -> days until it ends., type: dict, returned: success}
notes: {description: Kept words by name., type: dict, returned: success}
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.certificates import (
    certificate_of,
    countersign,
    issue,
)
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.secret_store import MANY_ATTEMPTS, Store, password

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

NEXT = "_next"
NOTE = "_old_key"
CROSS = "_cross"
ALL = "all"
DUE = "due"


class Secrets:
    """The store, and which of its secrets can be rotated."""

    def __init__(self, store: Store, params: Mapping[str, Any]) -> None:
        self.store = store
        self.names: list[str] = list(params["names"])
        self.alone: list[str] = list(params["alone"])
        self.pairs: dict[str, dict[str, Any]] = {one["name"]: one for one in params["certificates"]}
        self.crossed: list[str] = list(params["crossed"])
        self.deployment: str = params["deployment"]
        self.present = store.names()

    def halves(self, name: str) -> list[str]:
        """The parameters of a secret; the last one's value shows the phase."""
        pair = [f"{name}_key", f"{name}_cert"] if name in self.pairs else [name]
        # Its reader checks whether it belongs to the deployment's current key.
        return [f"{name}{CROSS}", *pair] if name in self.crossed else pair

    def phase(self, name: str) -> str:
        """begun, promoted, or empty when no rotation is pending."""
        beside = [half + NEXT for half in self.halves(name)]
        if not self.present.intersection(beside):
            return ""
        if beside[-1] not in self.present:
            return "begun"
        value = self.store.value
        return "promoted" if value(self.halves(name)[-1]) == value(beside[-1]) else "begun"

    def phases(self) -> tuple[list[str], list[str]]:
        """Names that have begun, and those that were promoted."""
        found = {name: self.phase(name) for name in self.names}
        return [name for name in found if found[name] == "begun"], [
            name for name in found if found[name] == "promoted"
        ]

    def signed_by(self, name: str) -> list[str]:
        """The certificates of an authority that can be rotated."""
        return [leaf for leaf in self.names if self.pairs.get(leaf, {}).get("issuer") == name]

    def ends(self) -> dict[str, int]:
        """Days until each certificate of the deployment expires."""
        now = datetime.now(UTC)
        return {
            name: (certificate_of(self.store.value(f"{name}_cert")).not_valid_after_utc - now).days
            for name in self.pairs
            if f"{name}_cert" in self.present
        }

    def due(self, ends: Mapping[str, int], days: int) -> list[str]:
        """Certificates that expire soon and can be renewed.

        Left out are those whose authority expires soon but cannot be rotated: a new one would expire with it.
        """
        ending = [name for name in ends if ends[name] < days]
        return [
            name
            for name in self.names
            if name in ending
            and not (
                self.pairs[name].get("issuer") in ending and self.pairs[name]["issuer"] not in self.names
            )
        ]

    def fresh(self, asked: list[str], left: list[str]) -> list[str]:
        """The secrets to rotate: the requested ones, and those that depend on them."""
        fresh = [name for name in asked if name not in left and self.halves(name)[-1] in self.present]
        for name in list(fresh):
            if half_way := [leaf for leaf in self.signed_by(name) if leaf in left]:
                raise LookupError(
                    f"{', '.join(half_way)} is halfway through a rotation under the authority that {name} "
                    "would replace. Run playbooks/rotate.yml without -e secrets, which completes it, then "
                    f"again for {name}"
                )
        for name in self.names:
            if name in fresh or (name in left and self.phase(name) == "begun"):
                fresh += [leaf for leaf in self.signed_by(name) if leaf not in (*fresh, *left)]
        return [name for name in self.names if name in fresh]

    def make(self, name: str) -> None:
        """Store the new value beside the old, or the part that an interrupted run left out."""
        if name not in self.pairs:
            if name + NEXT not in self.present:
                self.add(name + NEXT, password())
            return
        key, cert = (half + NEXT for half in self.halves(name)[-2:])
        if cert in self.present:
            return
        authority = self.pairs[name].get("issuer")
        renewed = NEXT if authority and f"{authority}_cert{NEXT}" in self.present else ""
        signer = self.store.pair(authority, renewed) if authority else None
        found = self.store.key(name, NEXT) if key in self.present else None
        pair = issue(self.pairs[name], self.deployment, signer, found)
        if found is None:
            self.add(key, pair.pem()[0])
        if name in self.crossed:
            self.put(name + CROSS + NEXT, countersign(pair, self.store.pair(name)))
        self.add(cert, pair.pem()[1])

    def add(self, name: str, value: str) -> None:
        """Add a parameter."""
        self.store.add(name, value)
        self.present.add(name)

    def put(self, name: str, value: str) -> None:
        """Set a parameter, whether or not it exists."""
        if name in self.present:
            self.store.replace(name, value)
        else:
            self.add(name, value)

    def promote(self, name: str) -> None:
        """Promote the new value. The key comes first: a reader in between then uses the new certificate."""
        for half in self.halves(name):
            self.put(half, self.store.value(half + NEXT).decode())

    def finish(self, name: str) -> None:
        """Remove `<name>_next`. The parameter that shows the phase is removed last."""
        for half in self.halves(name):
            self.store.remove([half + NEXT])


def chosen(requested: str, names: list[str], alone: list[str], due: list[str]) -> list[str]:
    """The requested names. An unknown name is refused with the list of valid ones."""
    words = [word.strip() for word in requested.split(",") if word.strip()]
    for word in words:
        if word not in (*names, ALL, DUE):
            raise LookupError(
                f"No secret is named {word}. Those that can be rotated: {', '.join(names)}, or all, or due"
            )
    if ALL in words:
        words += [name for name in names if name not in alone]
    if DUE in words:
        words += due
    return [name for name in names if name in words]


def step(store: Store, params: Mapping[str, Any], *, dry: bool) -> dict[str, Any]:
    """Do one step and return the result for Ansible."""
    known = Secrets(store, params)
    names = known.names
    begun, promoted = known.phases()
    left = [*begun, *promoted]
    changed, ends = False, known.ends()
    if params["step"] == "begin":
        if strangers := [name for name in params["apart"] if known.phase(name)]:
            raise LookupError(
                f"The rotation of {', '.join(strangers)} is incomplete: playbooks/rotate.yml completes it"
            )
        due = known.due(ends, params["due_days"])
        asked = chosen(params["wanted"], names, known.alone, due)
        fresh = known.fresh(asked, left)
        for name in [one for one in names if one in (*begun, *fresh)] if not dry else ():
            known.make(name)
        begun += fresh
        changed = bool(fresh or left)
    elif params["step"] == "promote" and not dry:
        for name, note in params["notes"].items():
            # Before the value: afterwards the old key could not be identified.
            if name in begun and note and name + NOTE not in known.present:
                known.add(name + NOTE, note)
        for name in begun:
            known.promote(name)
        changed, promoted, begun = bool(begun), [*promoted, *begun], []
    elif params["step"] == "finish" and not dry:
        kept = [name + NOTE for name in names if name + NOTE in known.present]
        # The value is removed last: while it exists, the next run knows that something is left.
        store.remove(kept)
        for name in promoted:
            known.finish(name)
        changed, promoted = bool(promoted), []
    if params["step"] == "finish":
        ends = known.ends()
    present = store.names()
    notes = {name: store.value(name + NOTE).decode() for name in names if name + NOTE in present}
    return {
        "changed": changed,
        "begun": begun,
        "promoted": promoted,
        "resumed": left,
        "ends": ends,
        "notes": notes,
    }


def main() -> None:
    """Run as an Ansible module."""
    module = AnsibleModule(
        argument_spec={
            "path": {"type": "str", "required": True},
            "step": {"type": "str", "choices": ["begin", "promote", "finish"], "required": True},
            "wanted": {"type": "str", "default": ""},
            "names": {"type": "list", "elements": "str", "required": True},
            "alone": {"type": "list", "elements": "str", "default": []},
            "apart": {"type": "list", "elements": "str", "default": []},
            "certificates": {"type": "list", "elements": "dict", "default": []},
            "crossed": {"type": "list", "elements": "str", "default": []},
            "deployment": {"type": "str", "default": ""},
            "due_days": {"type": "int", "default": 0},
            "notes": {"type": "dict", "default": {}},
            "tags": {"type": "dict", "default": {}},
        },
        supports_check_mode=True,
    )
    require(module, "boto3", "cryptography")
    params = module.params
    try:
        store = Store(clients(MANY_ATTEMPTS)("ssm"), params["path"], params["tags"])
        result = step(store, params, dry=module.check_mode)
    except LookupError as error:
        module.fail_json(msg=f"{error}.")
        return
    except (BotoCoreError, ClientError) as error:
        module.fail_json(
            msg=f"The step '{params['step']}' of the rotation under {params['path']} stopped: {error}. "
            "Both values are accepted until then. Compare your rights with docs/policies/operator.json "
            "and run playbooks/rotate.yml again: it continues where this run stopped."
        )
        return
    lines = [
        f"{name}: {'end of the old value' if name in result['promoted'] else 'a new value'}\n"
        for name in (*result["begun"], *result["promoted"])
    ]
    module.exit_json(**result, diff={"before": "", "after": "".join(lines)})


if __name__ == "__main__":
    main()
