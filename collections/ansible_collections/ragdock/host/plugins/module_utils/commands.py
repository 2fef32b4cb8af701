"""Commands of the machine on which a module runs, as AnsibleModule gives them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Commands(Protocol):
    """What runs commands."""

    @property
    def run_command(self) -> Callable[..., tuple[int, str, str]]:
        """Exit code, output and error output of a command."""


class Changes(Commands, Protocol):
    """What runs commands, and knows whether they may change anything."""

    @property
    def check_mode(self) -> bool:
        """Whether the run only reports what it would change."""
