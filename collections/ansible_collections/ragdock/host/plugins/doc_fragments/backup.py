"""What the steps of a backup share."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    DOCUMENTATION = r"""
options:
  settings:
    description: Where the deployment is, where its backups go, and how long each step may take.
    type: dict
    required: true
  secrets:
    description: The passwords of the repository and of OpenSearch's backup user, and OpenSearch's authority.
    type: dict
    required: true
"""
