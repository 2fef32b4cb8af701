"""The one OpenSearch node of a host's stack, and the certificates in its files."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.certificates import certificate_of, der_of
from ansible_collections.ragdock.host.plugins.module_utils.docker import (
    EngineError,
    Run,
    address,
    docker,
    serving,
)
from ansible_collections.ragdock.host.plugins.module_utils.https import unverified
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import PORT, SearchError
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.security import Cluster

HERE = "secrets/opensearch"
SERVE_SECONDS = 10.0
LOOK_SECONDS = 5.0
START_SECONDS = 150


def served(host: str, port: int = PORT) -> bytes:
    """The certificate that a node presents, in DER; empty while nothing answers."""
    try:
        with unverified(host, port, LOOK_SECONDS) as tls:
            return tls.getpeercert(binary_form=True) or b""
    except OSError:
        return b""


def mounts(container: dict[str, Any], directory: Path) -> bool:
    """Whether a container mounts the directory, and so sees a file that was replaced."""
    return any(one.get("Source") == str(directory) for one in container.get("Mounts") or [])


class Node:
    """The node, reached with the admin client's certificate and key (PEM)."""

    def __init__(
        self,
        run: Run,
        root: Path,
        project: str,
        admin: tuple[str, str],
        timeout: float = 120.0,
    ) -> None:
        self.run = run
        self.admin = admin
        self.timeout = timeout
        self.files = root / HERE
        self.find = partial(serving, run, project, "opensearch")
        self.restarted = False

    def follow_files(self) -> bool:
        """Make it use the certificates in its files if it runs; return whether anything changed."""
        return self.runs() and not self.ended() and self.bring()

    def runs(self) -> bool:
        """Whether it runs and sees replaced files. One of an older release does not: it is replaced later."""
        try:
            return mounts(self.find(), self.files)
        except EngineError:
            return False

    def ended(self) -> bool:
        """Whether a certificate that the connection needs has expired; then a new one must be made first."""
        texts = (self.admin[0].encode(), (self.files / "node.pem").read_bytes())
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
        until = time.monotonic() + self.timeout
        while not (shown := served(host)):
            if time.monotonic() > until:
                raise SearchError(f"nothing answered at {host}:{PORT} within {self.timeout:.0f} s")
            time.sleep(1)
        return shown

    def reload(self) -> bool:
        """Make it reload its files, as the administrator; return whether both ends trust each other."""
        ca = (self.files / "ca.pem").read_text(encoding="utf-8")
        until = time.monotonic() + self.timeout
        while True:
            cluster = Cluster(address(self.find()), ca, self.admin)
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
