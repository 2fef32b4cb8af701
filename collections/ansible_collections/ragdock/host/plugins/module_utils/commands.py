"""Interfaces for running commands on a module's machine, as AnsibleModule provides them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Commands(Protocol):
    """Runs commands."""

    @property
    def run_command(self) -> Callable[..., tuple[int, str, str]]:
        """Exit code, output and error output of a command."""


class Changes(Commands, Protocol):
    """Runs commands, and knows whether they may change anything."""

    @property
    def check_mode(self) -> bool:
        """Whether the run only reports what it would change."""
