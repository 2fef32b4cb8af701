"""Makes new connections wait while the edge is replaced; otherwise they are refused until it listens."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError

TABLE = "ragdock_hold"
# The kernel drops the ports after this time, so a run that is killed blocks no one for longer.
SECONDS = 30
# A client sends a dropped first packet again after a second; later packets are not dropped.
RULES = f"""
table inet {TABLE} {{
  set held {{
    type inet_service; flags timeout
    elements = {{ 80 timeout {SECONDS}s, 443 timeout {SECONDS}s }}
  }}
  chain forward {{
    type filter hook forward priority filter - 1; policy accept;
    ct state new meta l4proto tcp ct original proto-dst @held drop
  }}
}}
"""


def nft(text: str) -> None:
    """Change the firewall in one transaction."""
    done = subprocess.run(
        ["nft", "--file", "-"], input=text, capture_output=True, text=True, timeout=20, check=False
    )
    if done.returncode != 0:
        raise EngineError(
            f"nft refused to let connections wait while the edge is replaced: {done.stderr.strip()}. "
            "playbooks/configure.yml repairs the host's firewall."
        )


@contextlib.contextmanager
def connections_wait() -> Iterator[None]:
    """Make new connections to the published ports wait; established ones continue."""
    nft(f"table inet {TABLE}\ndelete table inet {TABLE}\n{RULES}")
    try:
        yield
    finally:
        nft(f"table inet {TABLE}\ndelete table inet {TABLE}\n")
