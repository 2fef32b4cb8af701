"""Arguments that several modules take.

Each group is described in plugins/doc_fragments/arguments.py, and is an action group in meta/runtime.yml.
"""

from __future__ import annotations

from typing import Any

TEXT = {"type": "str", "required": True}
SECRET = {"type": "str", "required": True, "no_log": True}
OPENSEARCH_ADMIN = {"admin_cert": TEXT, "admin_key": SECRET}
GROUPS: dict[str, dict[str, dict[str, Any]]] = {
    "root": {"root": {"type": "path", "default": "/opt/ragdock"}},
    "project": {"project": {"type": "str", "default": "ragdock"}},
    "images": {
        "checkout": {"type": "path", "required": True},
        "images": {"type": "dict", "required": True},
        "base_lock": {"type": "path", "required": True},
    },
    "endpoint": {"endpoint_url": {"type": "str", "default": ""}},
    "opensearch_admin": OPENSEARCH_ADMIN,
    "opensearch": {"ca": TEXT} | OPENSEARCH_ADMIN,
    "repository": {"repository": TEXT, "region": {"type": "str", "default": ""}, "password": SECRET},
    "backup": {
        "settings": {"type": "dict", "required": True},
        "secrets": {"type": "dict", "required": True, "no_log": True},
    },
}


def arguments(*groups: str) -> dict[str, dict[str, Any]]:
    """The argument specification of these groups; a module adds its own."""
    return {name: dict(option) for group in groups for name, option in GROUPS[group].items()}
