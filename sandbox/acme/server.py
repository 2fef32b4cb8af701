"""The `acme` container's program: pebble and its name server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

from sandbox.acme import names

CERTIFICATES = Path("/etc/pebble")
CONFIG = Path("/run/pebble.json")


def config() -> str:
    """Pebble's configuration: the challenges' real ports, a certificate issued by the sandbox."""
    return json.dumps(
        {
            "pebble": {
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
    """Serve until pebble ends."""
    # Hosts are behind the sandbox's router; no other check is needed.
    subprocess.run(["ip", "route", "replace", "default", "via", os.environ["ROUTER"]], check=True)
    lookup = names.Route53(os.environ["AWS_ENDPOINT"], os.environ["AWS_REGION"])
    threading.Thread(target=lookup.follow, daemon=True, name="table").start()
    threading.Thread(target=names.serve, args=(lookup,), daemon=True, name="names").start()
    CONFIG.write_text(config())
    return subprocess.run(
        ["pebble", "-config", str(CONFIG), "-dnsserver", "127.0.0.1:53"],
        env={**os.environ, "PEBBLE_VA_NOSLEEP": "1"},
        check=False,
    ).returncode


if __name__ == "__main__":
    sys.exit(main())
