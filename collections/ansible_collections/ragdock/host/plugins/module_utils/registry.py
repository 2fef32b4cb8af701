"""The one client for ECR: gets a token, asks what was pushed, and logs docker in without leaving a trace.

The token is handed to docker through a credential helper that reads it from
the environment of that one docker process: it is in no file and in no
argument list, and is gone when the process ends.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine
from ansible_collections.ragdock.host.plugins.module_utils.https import Endpoint, UnreachableError, trust

PULL_SECONDS = 1800
ASK_SECONDS = 20.0
# Where Docker looks for the authority of a registry.
CERTIFICATES = Path("/etc/docker/certs.d")
ACCEPT = ", ".join(
    f"application/vnd.{kind}+json"
    for kind in (
        "docker.distribution.manifest.v2",
        "oci.image.manifest.v1",
        "docker.distribution.manifest.list.v2",
        "oci.image.index.v1",
    )
)
TOKEN_VARIABLE = "RAGDOCK_REGISTRY_TOKEN"  # noqa: S105 - a name, not a token
HELPER = f"""#!/bin/sh
# Answers docker's question for credentials; anything but `get` is a no-op.
[ "$1" = get ] || exit 0
read -r server
printf '{{"ServerURL":"%s","Username":"AWS","Secret":"%s"}}' "$server" "${TOKEN_VARIABLE}"
"""


class RegistryError(Exception):
    """The registry or its credentials are not available. The text says what to do."""


@dataclass(frozen=True)
class Login:
    """A registry's name, and the password for it."""

    registry: str
    password: str


def registry_of(ref: str) -> str:
    """The registry's name in an image reference."""
    return ref.split("/", 1)[0]


def region_of(registry: str) -> str:
    """The region in <account>.dkr.ecr.<region>.amazonaws.com."""
    parts = registry.split(".")
    if len(parts) < 6 or parts[1:3] != ["dkr", "ecr"]:
        raise RegistryError(f"{registry} is not an ECR registry (<account>.dkr.ecr.<region>.amazonaws.com).")
    return parts[3]


def token_of(answer: Mapping[str, Any]) -> str:
    """The password in ECR's answer to a request for an authorization token."""
    encoded = answer["authorizationData"][0]["authorizationToken"]
    return base64.b64decode(encoded).decode().split(":", 1)[1]


def endpoint_of(registry: str) -> Endpoint:
    """The registry, with the system's authorities and the one that Docker knows for it."""
    name, _unused, port = registry.partition(":")
    context = trust("")
    if (own := CERTIFICATES / registry / "ca.crt").is_file():
        context.load_verify_locations(own)
    return Endpoint(name, name, int(port or 443), context)


def ask_manifest(by: Login, repository: str, reference: str) -> tuple[str, dict[str, Any]]:
    """Digest and manifest of a tag; an empty digest when the registry does not have it."""
    basic = base64.b64encode(f"AWS:{by.password}".encode()).decode()
    headers = {"Accept": ACCEPT, "Authorization": f"Basic {basic}"}
    path = f"/v2/{repository}/manifests/{reference}"
    try:
        reply = endpoint_of(by.registry).send("GET", path, timeout=ASK_SECONDS, headers=headers)
    except UnreachableError as error:
        raise RegistryError(
            f"The registry {by.registry} does not answer: {error}. Is it reachable from this machine?"
        ) from error
    if reply.status == HTTPStatus.NOT_FOUND:
        return "", {}
    if reply.status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise RegistryError(
            f"The registry {by.registry} refuses this machine's login for {repository}: {reply.status}. The "
            "AWS credentials of this run need the rights to ECR of docs/policies/operator.json. "
            "Nothing was pushed, and the running stack is unchanged."
        )
    if reply.status != HTTPStatus.OK:
        raise RegistryError(
            f"The registry {by.registry} did not answer whether {repository}:{reference} exists: "
            f"{reply.excerpt()}"
        )
    return reply.headers["docker-content-digest"], reply.json()


def pushed(by: Login, repository: str, reference: str) -> dict[str, Any] | None:
    """The image as a release names it, if the registry has it."""
    digest, manifest = ask_manifest(by, repository, reference)
    if not digest:
        return None
    size = sum(int(layer["size"]) for layer in manifest.get("layers", []))
    return {"ref": f"{by.registry}/{repository}@{digest}", "tag": reference, "size": size}


def ecr_token(region: str, endpoint_url: str) -> str:
    """Get a registry password, valid for twelve hours, with the rights of the host's role."""
    # Imported here, because boto3 takes longer to load than the rest of a run that pulls nothing.
    from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError

    from ansible_collections.ragdock.host.plugins.module_utils.aws.session import host_client, quick

    try:
        ecr = host_client("ecr", region, endpoint_url, quick())
        return token_of(ecr.get_authorization_token())
    except ClientError as error:
        raise RegistryError(
            f"ECR refused a token: {error}. The host's role needs ecr:GetAuthorizationToken; "
            "playbooks/provision.yml grants it."
        ) from error
    except NoCredentialsError as error:
        raise RegistryError(
            "The instance metadata service gave no role credentials. "
            "The host needs them to pull from ECR; playbooks/provision.yml attaches the instance profile."
        ) from error
    except (BotoCoreError, KeyError, IndexError) as error:
        raise RegistryError(f"ECR gave no token: {error}. Can the host reach AWS?") from error


@contextlib.contextmanager
def logged_in(registry: str, token: str) -> Iterator[dict[str, str]]:
    """An environment for docker in which it can log in to one registry."""
    with tempfile.TemporaryDirectory(prefix="ragdock-docker-") as name:
        home = Path(name)
        helper = home / "docker-credential-ragdock"
        helper.write_text(HELPER)
        helper.chmod(0o700)
        (home / "config.json").write_text(json.dumps({"credHelpers": {registry: "ragdock"}}))
        yield {
            **os.environ,
            "PATH": f"{home}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "DOCKER_CONFIG": str(home),
            TOKEN_VARIABLE: token,
        }


def pull(engine: Engine, refs: list[str], endpoint_url: str) -> None:
    """Pull references of one registry."""
    registry = registry_of(refs[0])
    token = ecr_token(region_of(registry), endpoint_url)
    with logged_in(registry, token) as environment:
        puller = Engine(engine.project, environment)
        for ref in refs:
            done = puller.run("pull", "--quiet", ref, timeout=PULL_SECONDS, check=False)
            if done.returncode != 0:
                raise RegistryError(
                    f"The registry did not give {ref}: {done.stderr.strip()[-400:]}. The host's role must be "
                    "allowed to pull it (playbooks/provision.yml), and the registry in reach on port 443."
                )
