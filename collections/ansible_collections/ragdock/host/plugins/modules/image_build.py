#!/usr/bin/python
"""Ansible module: makes sure that listed images are in the registry; builds those whose inputs changed."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: image_build
short_description: Builds images whose inputs changed and pushes them to ECR
description:
  - The tag of an image is a hash of what its Dockerfile copies.
  - A tag that the registry has is not built again.
  - Base images are pinned to the digest in the Dockerfile, else to that of the first build.
  - Needs boto3, and credentials that may push in the environment (AWS_REGION, AWS_PROFILE and so on).
  - In check mode it reports what would be built; the reference of such an image is its tag, not a digest.
options:
  epoch: {description: Part of every tag., type: str, default: ""}
  repository_prefix:
    description: The prefix of the image's name in its ECR repository.
    type: str
    required: true
  log_directory: {description: Where the log of each build is kept., type: path, required: true}
  ca_file: {description: "CA bundle given to builds as secret C(ca); empty: none.", type: str, default: ""}
  standins: {description: Whether a sandbox's stand-ins may be used., type: bool, default: false}
  timeout: {description: Seconds that one build may take., type: int, default: 3600}
extends_documentation_fragment:
  - ragdock.host.arguments.images
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Build and push images
  ragdock.host.image_build:
    checkout: "{{ playbook_dir | dirname }}"
    images:
      landing: {context: services, dockerfile: landing/Dockerfile}
    repository_prefix: ragdock/demo
    base_lock: .ragdock/demo/base-images.json
    log_directory: .ragdock/demo/logs
"""

RETURN = r"""
images: {description: "Name -> {ref, tag, size}.", returned: success, type: dict}
built:
  description: Names that were built (in check mode those that would be).
  returned: success
  type: list
  elements: str
log: {description: The log of the build that failed., returned: failure, type: str}
"""

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.aws.session import clients
from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.images.bases import (
    Lock,
    bases,
    build_arguments,
    held,
)
from ansible_collections.ragdock.host.plugins.module_utils.images.build import (
    DOCKERFILE,
    BuildError,
    Input,
    build_command,
    context_tar,
    inputs,
    tag,
)
from ansible_collections.ragdock.host.plugins.module_utils.images.failures import reason
from ansible_collections.ragdock.host.plugins.module_utils.images.running import (
    push_seconds,
    run,
    run_build,
    tail,
)
from ansible_collections.ragdock.host.plugins.module_utils.libraries import require
from ansible_collections.ragdock.host.plugins.module_utils.registry import (
    Login,
    RegistryError,
    logged_in,
    pushed,
    registry_of,
    token_of,
)

with suppress(ImportError):
    from botocore.exceptions import BotoCoreError, ClientError

PULL_SECONDS = 1800


def login(repository: str) -> Login:
    """Log in to the registry that has this ECR repository, with the operator's rights."""
    try:
        ecr = clients()("ecr")
        [found] = ecr.describe_repositories(repositoryNames=[repository])["repositories"]
        return Login(registry_of(found["repositoryUri"]), token_of(ecr.get_authorization_token()))
    except (BotoCoreError, ClientError) as error:
        raise RegistryError(
            f"ECR did not answer for {repository}: {error}. "
            "playbooks/provision.yml makes the repository; your user needs the rights in docs/policies/."
        ) from error


@dataclass(frozen=True)
class Builder:
    """Builds and pushes one image after the other."""

    by: Login
    logs: Path
    lock: Lock
    ca_file: str
    standins: bool
    timeout: float

    def make(
        self, name: str, repository: str, files: list[Input], reference: str, given: list[str]
    ) -> dict[str, Any]:
        """Build and push one image; GIVEN are its own build arguments."""
        ref = f"{self.by.registry}/{repository}:{reference}"
        log = self.logs / f"build-{name}.log"
        log.write_bytes(b"")
        dockerfile = next(one.data.decode() for one in files if one.name == DOCKERFILE)
        docker = partial(Engine().answer, timeout=PULL_SECONDS)
        refs = {
            base.argument: held(docker, base, self.lock, standins=self.standins) for base in bases(dockerfile)
        }
        if (
            run_build(
                build_command(ref, self.ca_file, [*build_arguments(refs), *given]),
                log,
                self.timeout,
                stdin=context_tar(files),
            )
            != 0
        ):
            raise BuildError(
                f"The image {name} does not build. {reason(log.read_text(errors='replace'), name)} "
                f"Log: {log}. It ends with:\n{tail(log)}"
            )
        size = int(Engine().run("image", "inspect", "--format", "{{.Size}}", ref).stdout)
        with logged_in(self.by.registry, self.by.password) as environment:
            if run(["push", ref], log, push_seconds(size), environment=environment) != 0:
                raise BuildError(
                    f"The registry refused the image {name}. Log: {log}. It ends with:\n{tail(log, 5)}"
                )
        found = pushed(self.by, repository, reference)
        if found is None:
            raise BuildError(
                f"The registry took {ref} and does not have it now. Is something removing images from it?"
            )
        return found


def own_arguments(image: dict[str, Any]) -> list[str]:
    """The build arguments that an image names itself, as docker takes them."""
    given: dict[str, str] = image.get("arguments") or {}
    return [word for name, value in sorted(given.items()) for word in ("--build-arg", f"{name}={value}")]


def build(params: dict[str, Any], *, check: bool) -> dict[str, Any]:
    """Do all of it and return the result for Ansible."""
    began = time.monotonic()
    images: dict[str, dict[str, Any]] = params["images"]
    prefix = params["repository_prefix"]
    contexts = {name: Path(params["checkout"]) / one["context"] for name, one in images.items()}
    files = {name: inputs(contexts[name], contexts[name] / images[name]["dockerfile"]) for name in images}
    given = {name: own_arguments(one) for name, one in images.items()}
    tags = {name: tag(files[name], " ".join([params["epoch"], *given[name]]).strip()) for name in images}
    try:
        by = login(f"{prefix}/{next(iter(images))}")
    except RegistryError:
        if check:
            unbuilt = {
                name: {"ref": f"{prefix}/{name}:{tags[name]}", "tag": tags[name], "size": 0}
                for name in images
            }
            return {"changed": True, "built": sorted(images), "images": unbuilt}
        raise
    with ThreadPoolExecutor(max_workers=len(images)) as pool:
        found = dict(
            zip(
                images, pool.map(lambda name: pushed(by, f"{prefix}/{name}", tags[name]), images), strict=True
            )
        )
    missing = [name for name, one in found.items() if one is None]
    logs = Path(params["log_directory"])
    if missing and not check:
        logs.mkdir(parents=True, exist_ok=True)
    lock = Lock(Path(params["base_lock"]))
    builder = Builder(by, logs, lock, params["ca_file"], params["standins"], params["timeout"])
    for name in missing:
        repository = f"{prefix}/{name}"
        would = {"ref": f"{by.registry}/{repository}:{tags[name]}", "tag": tags[name], "size": 0}
        found[name] = would if check else builder.make(name, repository, files[name], tags[name], given[name])
    return {
        "changed": bool(missing),
        "built": missing,
        "images": found,
        "seconds": round(time.monotonic() - began, 1),
    }


def main() -> None:
    """Read the arguments, do it, report."""
    module = AnsibleModule(
        argument_spec=arguments("images")
        | {
            "epoch": {"type": "str", "default": ""},
            "repository_prefix": {"type": "str", "required": True},
            "log_directory": {"type": "path", "required": True},
            "ca_file": {"type": "str", "default": ""},
            "standins": {"type": "bool", "default": False},
            "timeout": {"type": "int", "default": 3600},
        },
        supports_check_mode=True,
    )
    require(module, "boto3")
    try:
        module.exit_json(**build(module.params, check=module.check_mode))
    except (BuildError, RegistryError) as error:
        module.fail_json(msg=f"{error}\nNothing on the host was touched: what served before still serves.")


if __name__ == "__main__":
    main()
