"""A certificate authority for deployments that use a host's address or a domain (with a Route 53 zone)."""

from __future__ import annotations

import datetime as dt
import re
import uuid
from http import HTTPStatus
from pathlib import Path
from typing import Any

import requests
import yaml

from sandbox import docker_api, images, networks, parts, pki
from sandbox.cloud import AwsApi
from sandbox.docker_api import Container
from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.settings import Sandbox

IMAGE = "ragdock-sandbox/pebble:3"
NAME = "ragdock-acme"
SECONDS = 60
# The code of its container, including the modules shared with the part of the sandbox on this machine.
CODE = (
    "acme",
    "aws/__init__.py",
    "aws/people.py",
    "cloud.py",
    "errors.py",
    "forwarder.py",
    "ingress.py",
    "pump.py",
    "settings.py",
)
DOMAIN = re.compile(r"([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,}")


def folder(sandbox: Sandbox) -> Path:
    """Return the folder with the authority's own certificates."""
    return sandbox.state / "acme"


def authorities(sandbox: Sandbox) -> Path:
    """Return the file of all trusted authorities: the directory's, and each root that has issued here."""
    return sandbox.state / "acme-authorities.pem"


def container(sandbox: Sandbox) -> Container:
    """Specify the container of pebble and its name server."""
    code = sandbox.checkout / "sandbox"
    return Container(
        name=NAME,
        image=IMAGE,
        network=networks.aws_network(sandbox),
        address=str(sandbox.acme_address),
        part="acme",
        command=("python3", "-u", "-m", "sandbox.acme.server"),
        salt=parts.fingerprint(*(code / name for name in CODE), folder(sandbox)),
        options={
            "environment": {
                **{name.upper(): value for name, value in sandbox.credentials.items()},
                "AWS_REGION": sandbox.region,
                "ROUTER": str(sandbox.router_address),
                "PYTHONPATH": "/opt/ragdock",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
            "entrypoint": [],
            "user": "0:0",
            "host": {
                "binds": [
                    *(f"{code / name}:/opt/ragdock/sandbox/{name}:ro" for name in CODE),
                    f"{folder(sandbox)}:/etc/pebble:ro",
                ],
                "init": True,
                "cap_drop": ["ALL"],
                "cap_add": ["NET_ADMIN", "NET_BIND_SERVICE", "DAC_OVERRIDE"],
            },
        },
    )


def up(client: Any, sandbox: Sandbox, say: images.Say) -> None:
    """Start the authority, wait until it answers, and save its root."""
    images.ensure(say, [IMAGE])
    pki.ensure(folder(sandbox), "acme", sandbox.acme_address, dt.datetime.now(dt.UTC))
    docker_api.ensure_container(client, sandbox, container(sandbox))
    running = docker_api.find(client, NAME)
    docker_api.wait_for("The certificate authority", lambda: _root(sandbox) != "", running, SECONDS)
    # Pebble makes a new root each time it starts; keep the old ones, whose certificates stay valid.
    path, own = authorities(sandbox), (folder(sandbox) / "ca.crt").read_text()
    known = path.read_text() if path.exists() else ""
    new = [text for text in (own, _root(sandbox)) if text.strip() not in known]
    path.write_text(known + "".join(f"{text.strip()}\n" for text in new))


def _root(sandbox: Sandbox) -> str:
    """Return the current root certificate; empty while nothing answers."""
    try:
        answer = requests.get(
            f"https://{sandbox.acme_address}:15000/roots/0",
            timeout=5,
            verify=str(folder(sandbox) / "ca.crt"),
            proxies={"http": "", "https": ""},
        )
    except (requests.RequestException, OSError):
        return ""
    return answer.text if answer.status_code == HTTPStatus.OK else ""


def settings_for(sandbox: Sandbox, domain: str = "") -> str:
    """Start the authority, with a zone if a domain is named; return the settings to use it, as YAML."""
    named: dict[str, str] = {}
    if domain:
        if not DOMAIN.fullmatch(domain):
            raise SandboxError(
                f"'{domain}' is no host name.",
                "It has to have at least one dot and be in small letters.",
                "For instance: python -m sandbox domain rag.example.org",
            )
        _zone(AwsApi(sandbox), domain)
        named = {"ragdock_domain": domain, "ragdock_acme_email": f"operator@{domain.partition('.')[2]}"}
    with Progress().stage("Certificate authority") as say:
        up(docker_api.connect(), sandbox, say)
    authority = {
        "ragdock_acme_directory": f"https://{sandbox.acme_address}:14000/dir",
        "ragdock_acme_ca_file": str(authorities(sandbox)),
    }
    return yaml.safe_dump(named | authority, sort_keys=False)


def _zone(api: AwsApi, domain: str) -> None:
    """Make sure that the domain's zone exists."""
    route53: Any = api.route53
    held = [zone["Name"] for zone in route53.list_hosted_zones()["HostedZones"]]
    if not any(f".{domain}.".endswith(f".{name}") for name in held):
        route53.create_hosted_zone(Name=f"{domain.partition('.')[2]}.", CallerReference=str(uuid.uuid4()))
