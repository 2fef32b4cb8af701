"""Lets new connections wait while the edge is replaced; they would be refused until the new one listens."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator

from ansible_collections.ragdock.host.plugins.module_utils.docker import EngineError

TABLE = "ragdock_hold"
# The kernel forgets the ports by itself, so a run that is killed here blocks no one for longer.
SECONDS = 30
# A first packet that is dropped is sent again by its client after a second; later ones are not touched.
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
    """One transaction of the firewall."""
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
    """New connections to the published ports wait; established ones continue."""
    nft(f"table inet {TABLE}\ndelete table inet {TABLE}\n{RULES}")
    try:
        yield
    finally:
        nft(f"table inet {TABLE}\ndelete table inet {TABLE}\n")
