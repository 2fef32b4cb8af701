"""The sandbox's names, addresses and paths, each defined once."""

from __future__ import annotations

import os
from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict

from sandbox.aws.people import Keys, administrator
from sandbox.errors import SandboxError

CHECKOUT = Path(__file__).resolve().parent.parent
INVENTORY = Path("inventory/sandbox/group_vars/all")
DEFAULT_NAME = "sandbox"
DEFAULT_REGION = "us-east-1"

# The account that moto uses if a caller's keys do not belong to one of its roles.
ACCOUNT = "123456789012"
# Keys with the permissions of docs/policies; inventory/sandbox deploys with them.
OPERATOR_KEYS = Keys("AKIARAGDOCKOPERATOR1", "sandbox")
LABEL = "ragdock.sandbox"


class Sandbox(BaseModel):
    """One sandbox: the one of this checkout."""

    model_config = ConfigDict(frozen=True)

    name: str = DEFAULT_NAME
    region: str = DEFAULT_REGION
    checkout: Path = CHECKOUT
    network: IPv4Network = IPv4Network("10.99.0.0/24")

    @property
    def state(self) -> Path:
        """Return the folder of everything that the sandbox stores on disk outside Docker."""
        return self.checkout / ".sandbox"

    @property
    def logs(self) -> Path:
        """Logs of the processes on this machine."""
        return self.state / "logs"

    @property
    def secret(self) -> Path:
        """Return the sandbox's secret file: the journal's key, from which the administrator's keys derive."""
        return self.state / "journal" / "key"

    @property
    def credentials(self) -> dict[str, str]:
        """The administrator's keys, as boto3 takes them."""
        if not self.secret.exists():
            raise SandboxError(
                f"There is no {self.secret}.",
                "It is made when the sandbox starts for the first time, and its parts sign with it.",
                "Run: make up",
            )
        keys = administrator(self.secret.read_bytes())
        return {"aws_access_key_id": keys.access, "aws_secret_access_key": keys.secret}

    @property
    def policies(self) -> Path:
        """Return the folder of the operator's policies."""
        return self.checkout / "docs" / "policies"

    @property
    def organization(self) -> Path:
        """Return the folder of the organisation's control policies; it is empty by default."""
        return self.state / "organization"

    @property
    def operator(self) -> Path:
        """Return the folder in which playbooks store this deployment's state on the operator's machine."""
        return self.checkout / ".ragdock" / self.name

    @property
    def aws_address(self) -> IPv4Address:
        """Return the address of the AWS APIs."""
        return self.network[2]

    @property
    def registry_address(self) -> IPv4Address:
        """Return the address of the registry."""
        return self.network[3]

    @property
    def router_address(self) -> IPv4Address:
        """Return the router's address in the AWS network."""
        return self.network[4]

    @property
    def acme_address(self) -> IPv4Address:
        """Return the address of the certificate authority."""
        return self.network[5]

    @property
    def elsewhere_address(self) -> IPv4Address:
        """Return the address of the remote models' server."""
        return self.network[6]

    @property
    def elsewhere_models_address(self) -> IPv4Address:
        """Return the address of the Ollama behind that server."""
        return self.network[7]

    @property
    def endpoint(self) -> str:
        """The URL of every AWS API."""
        return f"http://{self.aws_address}:5000"

    @property
    def registry(self) -> str:
        """The registry's name, as ECR's repository URIs spell it."""
        return f"{ACCOUNT}.dkr.ecr.{self.region}.amazonaws.com"

    @cached_property
    def labels(self) -> dict[str, str]:
        """Return the labels of everything that the sandbox creates in Docker."""
        return {LABEL: self.name}


def inventory(checkout: Path = CHECKOUT) -> dict[str, str]:
    """Return the settings of the sandbox's inventory that are plain text."""
    values: dict[str, str] = {}
    for name in ("00-defaults.yml", "settings.yml"):
        path = checkout / INVENTORY / name
        if path.exists():
            values |= _plain(path)
    return values


def load(checkout: Path = CHECKOUT) -> Sandbox:
    """Load the sandbox with the name and region from the inventory that the playbooks use."""
    values = inventory(checkout)
    if override := os.environ.get("RAGDOCK_SANDBOX_NAME"):
        values["ragdock_name"] = override
    return Sandbox(
        name=values.get("ragdock_name", DEFAULT_NAME),
        region=values.get("ragdock_region", DEFAULT_REGION),
        checkout=checkout,
    )


def _plain(path: Path) -> dict[str, str]:
    """Return the settings of one file that are plain text (no template, no list)."""
    try:
        content = yaml.safe_load(path.read_text())
    except yaml.YAMLError as error:
        raise SandboxError(
            f"{path} is not YAML: {error}.",
            "The sandbox takes its name and region from it.",
            "Correct the file at the place named.",
        ) from error
    settings = content if isinstance(content, dict) else {}
    return {
        key: value
        for key, value in settings.items()
        if isinstance(value, str) and value and "{{" not in value
    }
