"""The compose project."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    DOCUMENTATION = r"""
options:
  project: {description: Compose project of the stack., type: str, default: ragdock}
"""
