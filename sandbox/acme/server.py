"""The `acme` container's program: pebble, its name server, and forwards to hosts.

An Elastic IP of the sandbox is an address of the developer's machine. In this container it leads to the same
instance, but only through ports that a security group opens to everybody, because an authority's requests
may come from any address.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.acme import names
from sandbox.cloud import AwsApi
from sandbox.forwarder import Endpoint, Forward, Forwarder
from sandbox.ingress import forwards
from sandbox.settings import Sandbox

CERTIFICATES = Path("/etc/pebble")
CONFIG = Path("/run/pebble.json")


# Let's Encrypt's lifetimes are 90 days and 160 hours. The second is shorter here (300 s) so that a renewal
# can be watched.
LIFETIMES = {"default": 90 * 24 * 3600, "shortlived": 300}
POLL_SECONDS = 5.0
# An address that belongs to nobody (TEST-NET-1): ports open to it are open to everybody.
ANYONE = "192.0.2.1"

log = logging.getLogger(__name__)


class Cloud:
    """The state of the AWS APIs as last read."""

    def __init__(self, api: AwsApi) -> None:
        """Start without any state."""
        self._api = api
        self.names: Mapping[str, str] = {}
        self.forwards: Mapping[Endpoint, Forward] = {}

    def renew(self) -> None:
        """Read the state of the AWS APIs again."""
        seen = self._api.observe()
        self.names = seen.domains
        self.forwards = {one: way for one, way in forwards(seen).items() if way.admits(ANYONE)}

    def lookup(self, name: str) -> list[str] | None:
        """Return a name's addresses from a cache, as pebble waits only two seconds; None: in no zone."""
        if name not in self.names:
            self.renew()
        return [self.names[name]] if name in self.names else None

    async def follow(self) -> None:
        """Keep the cache and the forwards up to date, forever."""
        ways = Forwarder(lambda port, address: "another program of this container")
        while True:
            try:
                await asyncio.to_thread(self.renew)
            except (BotoCoreError, ClientError):
                # The APIs are restarting: keep the last state.
                log.exception("The AWS APIs do not answer")
            for problem in await ways.follow(self.forwards):
                log.error("%s", problem)
            await asyncio.sleep(POLL_SECONDS)


def config(lifetimes: Mapping[str, int] = LIFETIMES) -> str:
    """Return pebble's configuration: the challenges' standard ports, and a certificate from the sandbox."""
    return json.dumps(
        {
            "pebble": {
                "profiles": {
                    name: {"description": name, "validityPeriod": seconds}
                    for name, seconds in lifetimes.items()
                },
                "listenAddress": "0.0.0.0:14000",
                "managementListenAddress": "0.0.0.0:15000",
                "certificate": str(CERTIFICATES / "tls.crt"),
                "privateKey": str(CERTIFICATES / "tls.key"),
                "httpPort": 80,
                "tlsPort": 443,
            }
        }
    )


def main() -> int:
    """Serve until pebble exits."""
    # Hosts are reached through the sandbox's router.
    subprocess.run(["ip", "route", "replace", "default", "via", os.environ["ROUTER"]], check=True)
    keys = {name: os.environ[name.upper()] for name in ("aws_access_key_id", "aws_secret_access_key")}
    cloud = Cloud(AwsApi(Sandbox(region=os.environ["AWS_REGION"]), keys))
    threading.Thread(target=asyncio.run, args=(cloud.follow(),), daemon=True, name="ways").start()
    threading.Thread(target=names.serve, args=(cloud.lookup,), daemon=True, name="names").start()
    CONFIG.write_text(config())
    return subprocess.run(
        ["pebble", "-config", str(CONFIG), "-dnsserver", "127.0.0.1:53"],
        env={**os.environ, "PEBBLE_VA_NOSLEEP": "1"},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
