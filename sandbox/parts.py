"""The containers that hosts depend on: the AWS APIs and the registry."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import os
from http import HTTPStatus
from pathlib import Path
from typing import Any

import bcrypt
import requests

from sandbox import agent, docker_api, networks, pki, trust
from sandbox.cloud import AwsApi
from sandbox.docker_api import Container
from sandbox.settings import ACCOUNT, OPERATOR_KEYS, Sandbox, inventory

AWS_IMAGE = "ragdock-sandbox/aws:5"
REGISTRY_IMAGE = "ragdock-sandbox/registry:2"
SECONDS = 90


def volume(sandbox: Sandbox, part: str) -> str:
    """Return the name of a part's Docker volume."""
    return f"ragdock-{part}"


def aws(sandbox: Sandbox) -> Container:
    """Specify the container of the AWS APIs: moto, started by this checkout's own program."""
    code = sandbox.checkout / "sandbox"
    return Container(
        name="ragdock-aws",
        image=AWS_IMAGE,
        network=networks.aws_network(sandbox),
        address=str(sandbox.aws_address),
        part="aws",
        command=("python3", "-u", "-m", "sandbox.aws.server"),
        salt=fingerprint(code / "aws", code / "pump.py", sandbox.policies, agent.folder(sandbox)),
        options={
            "environment": {
                "AGENT_VERSION": agent.version(sandbox),
                "AWS_ACCOUNT": ACCOUNT,
                "AWS_ADDRESS": str(sandbox.aws_address),
                "AWS_OPERATOR_KEY": OPERATOR_KEYS.access,
                "AWS_OPERATOR_SECRET": OPERATOR_KEYS.secret,
                "AWS_REGION": sandbox.region,
                "PYTHONPATH": "/opt/ragdock",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            "entrypoint": [],
            "stop_signal": "SIGINT",
            "user": "0:0",
            "host": {
                "binds": [
                    f"{code / 'aws'}:/opt/ragdock/sandbox/aws:ro",
                    f"{code / 'pump.py'}:/opt/ragdock/sandbox/pump.py:ro",
                    f"{sandbox.policies}:/etc/policies:ro",
                    f"{sandbox.secret.parent}:/run/journal:ro",
                    f"{agent.folder(sandbox)}:/run/agent:ro",
                    f"{sandbox.organization}:/run/organization:ro",
                    f"{volume(sandbox, 'aws')}:/var/lib/aws",
                ],
                "init": True,
                "cap_drop": ["ALL"],
                "cap_add": ["DAC_OVERRIDE"],
            },
        },
    )


def registry(sandbox: Sandbox) -> Container:
    """Specify the container of the registry behind the ECR repository URIs."""
    folder = sandbox.state / "registry"
    return Container(
        name="ragdock-registry",
        image=REGISTRY_IMAGE,
        network=networks.aws_network(sandbox),
        address=str(sandbox.registry_address),
        part="registry",
        salt=fingerprint(folder),
        options={
            "environment": {
                "REGISTRY_HTTP_ADDR": ":443",
                "REGISTRY_HTTP_TLS_CERTIFICATE": "/etc/registry/tls.crt",
                "REGISTRY_HTTP_TLS_KEY": "/etc/registry/tls.key",
                "REGISTRY_AUTH": "htpasswd",
                "REGISTRY_AUTH_HTPASSWD_REALM": "ECR",
                "REGISTRY_AUTH_HTPASSWD_PATH": "/etc/registry/htpasswd",
            },
            "host": {
                "binds": [
                    f"{folder}:/etc/registry:ro",
                    f"{volume(sandbox, 'registry')}:/var/lib/registry",
                ],
            },
        },
    )


def fingerprint(*places: Path) -> str:
    """Return a digest of the files and folders that a container mounts."""
    digest = hashlib.sha256()
    for path in (one for place in places for one in (place, *sorted(place.rglob("*")))):
        if path.is_file() and path.suffix != ".pyc":
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def up_aws(client: Any, sandbox: Sandbox) -> str:
    """Start the AWS APIs; return what the server logged about its replay."""
    key = sandbox.secret
    if not key.exists():
        key.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        key.touch(mode=0o600)
        key.write_bytes(os.urandom(32))
    agent.ensure(sandbox)
    sandbox.organization.mkdir(exist_ok=True)
    _write_credentials(sandbox)
    client.volumes.create(volume(sandbox, "aws"), labels=sandbox.labels)
    docker_api.ensure_container(client, sandbox, aws(sandbox))
    container = docker_api.find(client, "ragdock-aws")
    docker_api.wait_for("The AWS endpoint", lambda: aws_answers(sandbox), container, SECONDS)
    lines = container.logs(tail=200).decode(errors="replace").splitlines() if container else []
    said = [line for line in lines if line.startswith(("Replayed", "Replay differs"))]
    return said[-1] if said else ""


def _write_credentials(sandbox: Sandbox) -> None:
    """Write the operator's keys for the AWS CLI's stand-in, so that no process has a key in its arguments."""
    values = inventory(sandbox.checkout)
    lines = [
        f"{name} = {values.get(f'ragdock_{name}', '')}"
        for name in ("aws_access_key_id", "aws_secret_access_key")
    ]
    path = sandbox.state / "credentials"
    path.touch(mode=0o600)
    path.write_text("\n".join(["[default]", *lines, ""]))


def aws_answers(sandbox: Sandbox) -> bool:
    """Return whether the AWS endpoint answers."""
    try:
        return requests.get(f"{sandbox.endpoint}/sandbox/events", timeout=5).ok
    except requests.RequestException:
        return False


def up_registry(client: Any, sandbox: Sandbox) -> None:
    """Start the registry and make this machine trust it."""
    folder = sandbox.state / "registry"
    pki.ensure(folder, sandbox.registry, sandbox.registry_address, dt.datetime.now(dt.UTC))
    _write_password(folder / "htpasswd", AwsApi(sandbox))
    trust.establish(sandbox, (folder / "ca.crt").read_bytes())
    client.volumes.create(volume(sandbox, "registry"), labels=sandbox.labels)
    docker_api.ensure_container(client, sandbox, registry(sandbox))
    container = docker_api.find(client, "ragdock-registry")
    docker_api.wait_for("The registry", lambda: registry_answers(sandbox), container, SECONDS)


def registry_answers(sandbox: Sandbox) -> bool:
    """Return whether the registry answers over TLS with a certificate of its authority."""
    try:
        answer = requests.get(
            f"https://{sandbox.registry_address}/v2/",
            timeout=5,
            verify=str(sandbox.state / "registry" / "ca.crt"),
            proxies={"http": "", "https": ""},
        )
    except (requests.RequestException, OSError):
        return False
    return answer.status_code == HTTPStatus.UNAUTHORIZED


def _write_password(path: Path, api: AwsApi) -> None:
    """Write the registry's only login, which is the one that ECR's API returns."""
    token = api.ecr.get_authorization_token()["authorizationData"][0]["authorizationToken"]
    user, _, password = base64.b64decode(token).decode().partition(":")
    if path.exists():
        known, _, hashed = path.read_text().strip().partition(":")
        if known == user and bcrypt.checkpw(password.encode(), hashed.encode()):
            return
    path.touch(mode=0o600)
    path.write_text(f"{user}:{bcrypt.hashpw(password.encode(), bcrypt.gensalt(6)).decode()}\n")
