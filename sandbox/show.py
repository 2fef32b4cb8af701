"""Values of the deployment that runs in the sandbox."""

from __future__ import annotations

from botocore.exceptions import BotoCoreError, ClientError

from sandbox.cloud import AwsApi, Cloud
from sandbox.errors import SandboxError
from sandbox.settings import Sandbox

USER = "ragdock"
PARAMETERS = {"password": "app_password", "token": "api_token", "ca": "edge_ca_cert"}
VALUES = ("url", "name", "user", *PARAMETERS)


def value(sandbox: Sandbox, name: str) -> str:
    """Return one value without formatting."""
    if name == "name":
        return sandbox.name
    if name == "user":
        return USER
    api = AwsApi(sandbox)
    try:
        if name == "url":
            return url(sandbox, api.observe())
        return _parameter(sandbox, api, PARAMETERS[name])
    except BotoCoreError as error:
        raise SandboxError(
            f"The AWS APIs at {sandbox.endpoint} do not answer.",
            "The sandbox is not up.",
            "Run: make up",
        ) from error


def url(sandbox: Sandbox, cloud: Cloud) -> str:
    """Return the URL of the host's public address."""
    hosts = {i.id for i in cloud.live if i.tags.get("ragdock:name") == sandbox.name}
    for address in cloud.addresses:
        if address.instance_id in hosts:
            return f"https://{address.public_ip}/"
    raise SandboxError(
        f"No instance tagged ragdock:name={sandbox.name} has an Elastic IP.",
        "Nothing is deployed in this sandbox yet, or it was destroyed.",
        "Run: make up",
    )


def _parameter(sandbox: Sandbox, api: AwsApi, name: str) -> str:
    path = f"/ragdock/{sandbox.name}/{name}"
    try:
        answer = api.ssm.get_parameter(Name=path, WithDecryption=True)
    except ClientError as error:
        raise SandboxError(
            f"There is no parameter {path}.",
            "The deployment makes its secrets when it is provisioned; it has not been yet.",
            "Run: make up",
        ) from error
    return str(answer["Parameter"]["Value"]).rstrip("\n")


def summary(sandbox: Sandbox) -> str:
    """Return the summary that `make up` prints at its end."""
    lines = [
        f"URL       {value(sandbox, 'url')}",
        f"User      {USER}",
        "Password  make password   (kept in the parameter store, never in a file)",
        "",
        "Next      make status     what runs and is it well",
        "          make ca         the authority to trust in a browser or with curl --cacert",
        "          make down       stop; make up continues where it was",
    ]
    return "\n".join(lines)
