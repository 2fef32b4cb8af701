"""Modules of the host import their helpers as Ansible ships them: from ansible.module_utils."""

from __future__ import annotations

from tests.unit.role_files import share

share("aws_secrets", "stack", "verify")
