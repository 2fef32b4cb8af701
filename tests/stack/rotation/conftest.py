"""Assumes what tests/stack does. Certificates are made as the deployment makes its own."""

from __future__ import annotations

from tests.unit.role_files import share

share("aws_secrets")
