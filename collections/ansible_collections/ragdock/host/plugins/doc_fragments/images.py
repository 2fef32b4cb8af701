"""The images of a deployment, and the images on which they are built."""

from __future__ import annotations


class ModuleDocFragment:
    """The class that Ansible loads."""

    DOCUMENTATION = r"""
options:
  checkout: {description: Directory below which the contexts are., type: path, required: true}
  images:
    description: Name -> {context, dockerfile}; the dockerfile is below the context.
    type: dict
    required: true
  base_lock: {description: File that keeps digests of base images., type: path, required: true}
"""
