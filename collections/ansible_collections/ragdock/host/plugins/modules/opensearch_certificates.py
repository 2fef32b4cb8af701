#!/usr/bin/python
"""Ansible module: writes OpenSearch's secret files, and makes the running node load them."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: opensearch_certificates
short_description: Writes OpenSearch's certificate files and makes the running node load them
description:
  - Writes the given secret files that differ.
  - Makes the running node reload its files; a node that already has their content does not change.
  - A node that does not trust the admin certificate, or that we do not trust, is restarted.
  - A node that does not run, or that an older release started, is not touched; the start of the release
    handles it.
  - If a certificate has expired, the node is not asked; the rotation goes on to a new certificate.
options:
  server_name: {description: Name in the node's certificate., type: str, default: opensearch}
  admin_cert: {description: PEM of the admin client certificate., type: str, required: true}
  admin_key: {description: PEM of its key (PKCS#8)., type: str, required: true}
  files:
    description: Files below root/secrets; empty leaves all as they are.
    type: list
    elements: dict
    default: []
    suboptions:
      path: {description: Below root/secrets., type: str, required: true}
      uid: {description: Owner and group., type: int, required: true}
      content_base64: {description: The secret in base64., type: str, required: true}
  timeout: {description: Seconds to wait until the node answers., type: int, default: 120}
extends_documentation_fragment:
  - ragdock.host.root
  - ragdock.host.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: OpenSearch serves the certificates of its files
  ragdock.host.opensearch_certificates:
    root: /opt/ragdock
    admin_cert: "{{ secrets.opensearch_admin_cert }}"
    admin_key: "{{ secrets.opensearch_admin_key }}"
"""

RETURN = r"""
written: {description: Files that were not as wanted., returned: success, type: list, elements: str}
restarted: {description: Whether the node had to start anew., returned: success, type: bool}
"""

import base64
import socket
import ssl
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.certificates import certificate_of, der_of
from ansible_collections.ragdock.host.plugins.module_utils.docker import (
    EngineError,
    Run,
    address,
    docker,
    serving,
)
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import PORT, SearchError
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.security import Cluster
from ansible_collections.ragdock.host.plugins.module_utils.releases.store import Store, ensure_secret

HERE = "secrets/opensearch"
SERVE_SECONDS = 10.0
LOOK_SECONDS = 5.0
START_SECONDS = 150


def served(host: str, port: int = PORT) -> bytes:
    """The certificate that a node presents, in DER; empty while nothing answers."""
    anybody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    anybody.check_hostname = False
    anybody.verify_mode = ssl.CERT_NONE
    try:
        with (
            socket.create_connection((host, port), LOOK_SECONDS) as plain,
            anybody.wrap_socket(plain) as tls,
        ):
            return tls.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def mounts(container: dict[str, Any], directory: Path) -> bool:
    """Whether a container mounts the directory, and so sees a file that was replaced."""
    return any(one.get("Source") == str(directory) for one in container.get("Mounts") or [])


class Node:
    """The one node of this host's stack."""

    def __init__(self, run: Run, params: dict[str, Any]) -> None:
        self.run = run
        self.params = params
        self.files = Path(params["root"]) / HERE
        self.find = partial(serving, run, params["project"], "opensearch")
        self.restarted = False

    def runs(self) -> bool:
        """Whether it runs and sees replaced files. One of an older release does not: it is replaced later."""
        try:
            return mounts(self.find(), self.files)
        except EngineError:
            return False

    def ended(self) -> bool:
        """Whether a certificate that the connection needs has expired; then a new one must be made first."""
        texts = (self.params["admin_cert"].encode(), (self.files / "node.pem").read_bytes())
        ends = [certificate_of(text).not_valid_after_utc for text in texts]
        return min(ends) < datetime.now(UTC)

    def bring(self) -> bool:
        """Make it use the certificates in its files; return whether it shows a new one or was restarted."""
        container = self.find()
        before = self.seen(address(container))
        if not self.reload():
            # Neither end trusts the other any more: clients are already refused, so a restart does no harm.
            self.restart(container["Id"])
            if not self.reload():
                raise SearchError(
                    "after a restart it refuses the admin certificate: its authority is another"
                )
        return self.settle() != before or self.restarted

    def seen(self, host: str) -> bytes:
        """The certificate that it presents; waits, since it may still be starting."""
        until = time.monotonic() + self.params["timeout"]
        while not (shown := served(host)):
            if time.monotonic() > until:
                raise SearchError(f"nothing answered at {host}:{PORT} within {self.params['timeout']} s")
            time.sleep(1)
        return shown

    def reload(self) -> bool:
        """Make it reload its files, as the administrator; return whether both ends trust each other."""
        admin = (self.params["admin_cert"], self.params["admin_key"])
        ca = (self.files / "ca.pem").read_text(encoding="utf-8")
        until = time.monotonic() + self.params["timeout"]
        while True:
            cluster = Cluster(address(self.find()), self.params["server_name"], ca, admin)
            try:
                cluster.reload_certificates()
                return True
            except SearchError as error:
                if error.distrusted:
                    return False
                # It may still be starting, and accept a moment later what it refuses now.
                if time.monotonic() > until:
                    raise
            time.sleep(1)

    def restart(self, container: str) -> None:
        """Restart it, so that it reads its files."""
        docker(self.run, "restart", "--time", "60", container)
        self.restarted = True
        until = time.monotonic() + START_SECONDS
        while not served(address(self.find())):
            if time.monotonic() > until:
                raise EngineError(
                    f"opensearch did not answer within {START_SECONDS} s of its restart. "
                    "`docker compose -p ragdock logs --tail 50 opensearch` on the host shows why."
                )
            time.sleep(1)

    def settle(self) -> bytes:
        """Wait until it presents the certificate in its file; return that certificate."""
        until = time.monotonic() + SERVE_SECONDS
        expected = der_of((self.files / "node.pem").read_bytes())
        while served(address(self.find())) != expected:
            if time.monotonic() > until:
                raise SearchError(
                    "it was asked to read its files and shows another certificate than "
                    f"{self.files}/node.pem holds. "
                    "`docker compose -p ragdock logs --tail 50 opensearch` on the host shows why"
                )
            time.sleep(0.5)
        return expected


def bring(run: Run, params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    root = Path(params["root"])
    written = [
        one["path"]
        for one in params["files"]
        if ensure_secret(
            root / "secrets" / one["path"],
            base64.b64decode(one["content_base64"]).decode(),
            one["uid"],
            check=check,
        )
    ]
    node = Node(run, params)
    changed = bool(written)
    if not check and node.runs() and not node.ended():
        changed = node.bring() or changed
    return {"written": written, "restarted": node.restarted, "changed": changed}


def main() -> None:
    """Read the arguments, do it, report."""
    file = {
        "path": {"type": "str", "required": True},
        "uid": {"type": "int", "required": True},
        "content_base64": {"type": "str", "required": True, "no_log": True},
    }
    module = AnsibleModule(
        argument_spec=arguments("root", "project")
        | {
            "server_name": {"type": "str", "default": "opensearch"},
            "admin_cert": {"type": "str", "required": True},
            "admin_key": {"type": "str", "required": True, "no_log": True},
            "files": {"type": "list", "elements": "dict", "default": [], "options": file},
            "timeout": {"type": "int", "default": 120},
        },
        supports_check_mode=True,
    )
    require(module, "cryptography")
    params = module.params
    try:
        if module.check_mode:
            module.exit_json(**bring(module.run_command, params, check=True))
        with Store(Path(params["root"])).locked():
            result = bring(module.run_command, params, check=False)
    except (EngineError, SearchError) as error:
        module.fail_json(msg=f"OpenSearch did not take the certificates of its files: {error}.")
    module.exit_json(**result)


if __name__ == "__main__":
    main()
