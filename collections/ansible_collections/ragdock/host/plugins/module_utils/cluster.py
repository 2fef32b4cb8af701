"""OpenSearch's security plugin: asked as the admin certificate, or as one of its users."""

from __future__ import annotations

import base64
import json
import tempfile
import time
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.https import (
    Endpoint,
    Reply,
    UnreachableError,
    trust,
)

PORT = 9200
REQUEST_SECONDS = 20.0
API = "/_plugins/_security/api"
AUTHINFO = "/_plugins/_security/authinfo"


class ClusterError(Exception):
    """OpenSearch did not do what it was asked; the text says what it answered."""


class Cluster:
    """One node, asked as the admin certificate or as a user."""

    def __init__(self, host: str, server_name: str, ca: str, admin: tuple[str, str]) -> None:
        as_admin = trust(ca)
        # OpenSSL reads keys from files only: a private directory, gone at once.
        with tempfile.TemporaryDirectory() as private:
            cert, key = Path(private, "cert.pem"), Path(private, "key.pem")
            cert.write_text(admin[0], encoding="utf-8")
            key.touch(mode=0o600)
            key.write_text(admin[1], encoding="utf-8")
            as_admin.load_cert_chain(cert, key)
        self._as_admin = Endpoint(server_name, host, PORT, as_admin)
        self._as_user = Endpoint(server_name, host, PORT, trust(ca))

    def ready(self, patience: float, alive: Callable[[], object]) -> None:
        """Wait until the node answers and its security index is loaded; `alive` raises when it will not."""
        until = time.monotonic() + patience
        while True:
            try:
                # Unlike the API of users, this is refused until the security index is loaded.
                reply = self._admin("GET", AUTHINFO)
                if reply.status == HTTPStatus.OK:
                    return
                seen = reply.excerpt()
            except UnreachableError as error:
                seen = str(error)
                alive()
            if time.monotonic() > until:
                raise ClusterError(
                    "OpenSearch's security plugin did not answer the admin certificate within "
                    f"{patience:.0f} s: {seen}. "
                    "401 or 403: the certificate's subject is not in plugins.security.authcz.admin_dn. "
                    "Else `docker compose -p ragdock logs --tail 50 opensearch` on the host says why."
                )
            time.sleep(1)

    def reload_certificates(self) -> None:
        """The node takes the certificates and authorities of its files; what it has already stays."""
        for layer in ("http", "transport"):
            path = f"{API}/ssl/{layer}/reloadcerts"
            reply = self._admin("PUT", path)
            if reply.status != HTTPStatus.OK:
                raise ClusterError(f"PUT {path} answered {reply.excerpt()}")

    def _admin(self, method: str, path: str, value: Any = None) -> Reply:
        body = None if value is None else json.dumps(value).encode()
        headers = {"Content-Type": "application/json"}
        return self._as_admin.send(method, path, timeout=REQUEST_SECONDS, headers=headers, body=body)

    def read(self, kind: str) -> dict[str, Any]:
        """All entries of a kind: roles, rolesmapping, internalusers."""
        reply = self._admin("GET", f"{API}/{kind}")
        if reply.status != HTTPStatus.OK:
            raise ClusterError(f"GET {API}/{kind} answered {reply.excerpt()}")
        entries: dict[str, Any] = reply.json()
        return entries

    def write(self, kind: str, name: str, value: dict[str, Any] | None) -> None:
        """Create or replace one entry; remove it for no value."""
        method = "DELETE" if value is None else "PUT"
        reply = self._admin(method, f"{API}/{kind}/{name}", value)
        if reply.status not in (HTTPStatus.OK, HTTPStatus.CREATED):
            raise ClusterError(f"{method} {API}/{kind}/{name} answered {reply.excerpt()}")

    def roles_of(self, user: str, password: str) -> list[str] | None:
        """The roles a user really holds; None when its password is refused."""
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode()
        reply = self._as_user.send(
            "GET",
            "/_plugins/_security/authinfo",
            timeout=REQUEST_SECONDS,
            headers={"Authorization": f"Basic {credentials}"},
        )
        if reply.status == HTTPStatus.UNAUTHORIZED:
            return None
        if reply.status != HTTPStatus.OK:
            raise ClusterError(f"authinfo of {user} answered {reply.excerpt()}")
        return sorted(reply.json().get("roles", []))
