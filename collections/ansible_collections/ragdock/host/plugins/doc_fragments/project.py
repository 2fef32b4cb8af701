"""The compose project."""

from __future__ import annotations


class ModuleDocFragment:
    """What Ansible looks for."""

    DOCUMENTATION = r"""
options:
  project: {description: Compose project of the stack., type: str, default: ragdock}
"""
