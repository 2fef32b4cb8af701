"""OpenSearch's security plugin, with the admin certificate or as one of its users."""

from __future__ import annotations

import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.https import Endpoint
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import (
    NAME,
    PORT,
    OpenSearch,
    SearchError,
    admin_context,
)

REQUEST_SECONDS = 20.0
API = "/_plugins/_security/api"
AUTHINFO = "/_plugins/_security/authinfo"


class Cluster:
    """One node, with the admin certificate or as a user."""

    def __init__(self, host: str, ca: str, admin: tuple[str, str]) -> None:
        self._host = host
        self._ca = ca
        self._as_admin = OpenSearch(Endpoint(NAME, host, PORT, admin_context(ca, *admin)))

    def ready(self, timeout: float, alive: Callable[[], object]) -> None:
        """Wait until the node answers and its security index is loaded; `alive` raises when it will not."""
        until = time.monotonic() + timeout
        while True:
            try:
                # Unlike the API of users, this is refused until the security index is loaded.
                self._admin("GET", AUTHINFO)
                return
            except SearchError as error:
                seen = str(error)
                if not error.status:
                    alive()
            if time.monotonic() > until:
                raise SearchError(
                    "OpenSearch's security plugin did not answer the admin certificate within "
                    f"{timeout:.0f} s: {seen}. "
                    "401 or 403: the certificate's subject is not in plugins.security.authcz.admin_dn. "
                    "Else `docker compose -p ragdock logs --tail 50 opensearch` on the host shows why."
                )
            time.sleep(1)

    def reload_certificates(self) -> None:
        """Make the node load the certificates and authorities in its files; unchanged ones stay in use."""
        for layer in ("http", "transport"):
            self._admin("PUT", f"{API}/ssl/{layer}/reloadcerts")

    def _admin(self, method: str, path: str, value: Any = None) -> dict[str, Any]:
        return self._as_admin.ask(method, path, value, seconds=REQUEST_SECONDS)

    def read(self, kind: str) -> dict[str, Any]:
        """All entries of a kind: roles, rolesmapping, internalusers."""
        return self._admin("GET", f"{API}/{kind}")

    def write(self, kind: str, name: str, value: dict[str, Any] | None) -> None:
        """Create or replace one entry; remove it if VALUE is None."""
        self._admin("DELETE" if value is None else "PUT", f"{API}/{kind}/{name}", value)

    def roles_of(self, user: str, password: str) -> list[str] | None:
        """The roles that a user has; None when its password is refused."""
        node = OpenSearch.as_user(self._host, self._ca, user, password)
        try:
            return sorted(node.ask("GET", AUTHINFO, seconds=REQUEST_SECONDS).get("roles", []))
        except SearchError as error:
            if error.status == HTTPStatus.UNAUTHORIZED:
                return None
            raise
