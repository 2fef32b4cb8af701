"""Options to connect to OpenSearch as its administrator."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    DOCUMENTATION = r"""
options:
  ca: {description: PEM of the authority that signed the node's certificate., type: str, required: true}
  admin_cert: {description: PEM of the admin client certificate., type: str, required: true}
  admin_key: {description: "PEM of its key, in PKCS#8.", type: str, required: true}
"""
