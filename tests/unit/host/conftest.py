"""Helpers shared by the tests of the host's modules."""

from __future__ import annotations

import subprocess
from typing import Any


class Runner:
    """Replaces AnsibleModule and runs commands for real."""

    def __init__(self, *, check_mode: bool = False) -> None:
        self.check_mode = check_mode

    def run_command(self, argv: list[str], **_: Any) -> tuple[int, str, str]:
        """Run a command and return its exit code, output and error output."""
        outcome = subprocess.run(argv, capture_output=True, text=True, check=False)
        return outcome.returncode, outcome.stdout, outcome.stderr
