"""The restic repository that holds the backups."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    DOCUMENTATION = r"""
options:
  repository: {description: restic's name of the repository., type: str, required: true}
  region: {description: AWS region of its bucket; empty where it is in none., type: str, default: ""}
  password: {description: Password of the repository., type: str, required: true}
"""
