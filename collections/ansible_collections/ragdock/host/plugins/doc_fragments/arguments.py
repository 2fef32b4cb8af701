"""What the groups of module_utils/arguments.py mean: ragdock.host.arguments.<group>."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    ROOT = r"""
options:
  root: {description: Where Ragdock lives on the host., type: path, default: /opt/ragdock}
"""
    PROJECT = r"""
options:
  project: {description: Compose project of the stack., type: str, default: ragdock}
"""
    ENDPOINT = r"""
options:
  endpoint_url: {description: Address of the AWS API; empty for AWS itself., type: str, default: ""}
"""
    IMAGES = r"""
options:
  checkout: {description: Directory below which the contexts are., type: path, required: true}
  images:
    description: Name -> {context, dockerfile, arguments}; the dockerfile is below the context.
    type: dict
    required: true
  base_lock: {description: File that keeps digests of base images., type: path, required: true}
"""
    OPENSEARCH_ADMIN = r"""
options:
  admin_cert: {description: PEM of OpenSearch's admin client certificate., type: str, required: true}
  admin_key: {description: "PEM of its key, in PKCS#8.", type: str, required: true}
"""
    # Not made from the one above: ansible-test reads plain strings only.
    OPENSEARCH = r"""
options:
  admin_cert: {description: PEM of OpenSearch's admin client certificate., type: str, required: true}
  admin_key: {description: "PEM of its key, in PKCS#8.", type: str, required: true}
  ca: {description: PEM of the authority that signed the node's certificate., type: str, required: true}
"""
    REPOSITORY = r"""
options:
  repository: {description: restic's name of the repository., type: str, required: true}
  region: {description: AWS region of its bucket; empty where it is in none., type: str, default: ""}
  password: {description: Password of the repository., type: str, required: true}
"""
    BACKUP = r"""
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
