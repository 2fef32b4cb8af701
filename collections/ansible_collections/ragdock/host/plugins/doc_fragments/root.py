"""Where Ragdock lives on the host."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    DOCUMENTATION = r"""
options:
  root: {description: Where Ragdock lives on the host., type: path, default: /opt/ragdock}
"""
