"""A server of models to deploy with: two containers that are started only when they are asked for."""

from __future__ import annotations

import datetime as dt
import json
import secrets
import socket
import ssl
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import yaml

from sandbox import docker_api, networks, parts, pki
from sandbox.cloud import AwsApi
from sandbox.docker_api import PART, Container
from sandbox.elsewhere import server
from sandbox.errors import SandboxError
from sandbox.models import FOLDER as MODELS
from sandbox.settings import Sandbox, inventory

NAME, MODELS_NAME = "ragdock-elsewhere", "ragdock-elsewhere-models"
OLLAMA_IMAGE = "ollama/ollama:0.17.4"
PARAMETER = "remote_elsewhere"
# As the host's models are known there, and on Bedrock.
KNOWN = {
    "smollm2-elsewhere": "smollm2",
    "openai.gpt-oss-20b-1:0": "smollm2",
    "all-minilm-elsewhere": "all-minilm",
}
SECONDS = 120
# Models as the sandbox has them on disk -> as Ollama is asked for them.
MAKE = """
ollama serve & pid=$!
until ollama list >/dev/null 2>&1; do sleep 0.2; done
for one in smollm2:/models/smollm2-135m-instruct.gguf all-minilm:/models/all-minilm; do
  echo "FROM ${one#*:}" >/tmp/Modelfile
  ollama create "${one%%:*}" -f /tmp/Modelfile
done
wait $pid
"""


def bedrock_name(sandbox: Sandbox) -> str:
    """The host name of Bedrock in the sandbox's region."""
    return f"bedrock-runtime.{sandbox.region}.amazonaws.com"


def folder(sandbox: Sandbox) -> Path:
    """Certificates, the key and the fault that is on."""
    return sandbox.state / "elsewhere"


def models(sandbox: Sandbox) -> Container:
    """Ollama, with the sandbox's models."""
    return Container(
        name=MODELS_NAME,
        image=OLLAMA_IMAGE,
        network=networks.aws_network(sandbox),
        address=str(sandbox.elsewhere_models_address),
        part="elsewhere",
        command=("-c", MAKE),
        options={"entrypoint": ["/bin/sh"], "host": {"binds": [f"{MODELS}:/models:ro"], "init": True}},
    )


def endpoint(sandbox: Sandbox) -> Container:
    """TLS, keys and faults in front of it."""
    code = sandbox.checkout / "sandbox" / "elsewhere"
    return Container(
        name=NAME,
        image=parts.AWS_IMAGE,
        network=networks.aws_network(sandbox),
        address=str(sandbox.elsewhere_address),
        part="elsewhere",
        command=("python3", "-u", "/opt/elsewhere/server.py"),
        salt=parts.fingerprint(code, folder(sandbox) / "own", folder(sandbox) / "bedrock"),
        options={
            "environment": {
                "AWS_ENDPOINT": sandbox.endpoint,
                "AWS_REGION": sandbox.region,
                "NAMES": json.dumps(KNOWN),
                "OLLAMA": f"http://{sandbox.elsewhere_models_address}:11434",
            },
            "entrypoint": [],
            "user": "0:0",
            "host": {
                "binds": [f"{code}:/opt/elsewhere:ro", f"{folder(sandbox)}:/run/elsewhere:ro"],
                "init": True,
                "cap_drop": ["ALL"],
                "cap_add": ["NET_BIND_SERVICE", "DAC_OVERRIDE"],
            },
        },
    )


def up(client: Any, sandbox: Sandbox) -> None:
    """Both run, the key exists, and hosts find Bedrock's name here."""
    place, now = folder(sandbox), dt.datetime.now(dt.UTC)
    place.mkdir(parents=True, exist_ok=True, mode=0o700)
    pki.ensure(place / "own", "elsewhere", sandbox.elsewhere_address, now)
    pki.ensure(place / "bedrock", bedrock_name(sandbox), sandbox.elsewhere_address, now)
    key = place / "key"
    if not key.exists():
        key.touch(mode=0o600)
        key.write_text(f"sk-{secrets.token_urlsafe(32)}\n")
    docker_api.ensure_container(client, sandbox, models(sandbox))
    docker_api.ensure_container(client, sandbox, endpoint(sandbox))
    _name(client, sandbox)
    running = docker_api.find(client, NAME)
    docker_api.wait_for("The models elsewhere", lambda: _answers(sandbox), running, SECONDS)


def _name(client: Any, sandbox: Sandbox) -> None:
    """Be in each subnet under Bedrock's name, as an interface endpoint of a VPC is."""
    container = docker_api.find(client, NAME)
    if container is None:
        return
    for network in networks.ours(client, sandbox):
        if network.attrs["Labels"].get(PART) == "subnet":
            network.reload()
            if container.id not in (network.attrs.get("Containers") or {}):
                cidr = IPv4Network(network.attrs["IPAM"]["Config"][0]["Subnet"])
                # Near the end: the first addresses are AWS's and its instances', the last is a model host's.
                network.connect(container, ipv4_address=str(cidr[-3]), aliases=[bedrock_name(sandbox)])


def _answers(sandbox: Sandbox) -> bool:
    trust = ssl.create_default_context(cafile=str(folder(sandbox) / "own" / "ca.crt"))
    address = str(sandbox.elsewhere_address)
    try:
        with (
            socket.create_connection((address, server.OWN_PORT), 5) as plain,
            trust.wrap_socket(plain, server_hostname=address),
        ):
            return True
    except OSError:
        return False


def switch(sandbox: Sandbox, fault: str) -> None:
    """Let the servers do what a fault does from the next request on; `off` for none."""
    if fault not in (*server.FAULTS, "off"):
        raise SandboxError(
            f"There is no fault '{fault}' of models elsewhere.",
            f"Faults are: {', '.join(server.FAULTS)}, and off for none.",
            "Run for instance: python -m sandbox elsewhere --fault 429",
        )
    path = folder(sandbox) / "fault"
    if fault == "off":
        path.unlink(missing_ok=True)
    else:
        path.write_text(f"{fault}\n")


def settings_for(sandbox: Sandbox) -> str:
    """Start the servers and put the key where an operator puts one; the settings that use them, as YAML."""
    up(docker_api.connect(), sandbox)
    name = inventory(sandbox.checkout).get("ragdock_name", sandbox.name)
    AwsApi(sandbox).ssm.put_parameter(
        Name=f"/ragdock/{name}/{PARAMETER}",
        Value=(folder(sandbox) / "key").read_text(),
        Type="SecureString",
        Overwrite=True,
    )
    return yaml.safe_dump({"ragdock_models": _models(sandbox)}, sort_keys=False)


def _models(sandbox: Sandbox) -> list[dict[str, Any]]:
    """A model of each server, and the local ones that stand in and embed."""
    own = f"https://{sandbox.elsewhere_address}:{server.OWN_PORT}/v1"
    bedrock = f"https://{bedrock_name(sandbox)}{server.BEDROCK_PATH}/v1"
    return [
        {
            "name": "smollm2-elsewhere", "use": ["chat"], "source": "openai", "base_url": own,
            "key": {"parameter": PARAMETER}, "ca_file": _authority(sandbox, "own"), "tokens_per_day": 200000,
        },
        {
            "name": "gpt-oss-elsewhere", "use": ["large"], "source": "openai", "base_url": bedrock,
            "model": "openai.gpt-oss-20b-1:0", "key": "bedrock", "ca_file": _authority(sandbox, "bedrock"),
        },
        {
            "name": "smollm2:135m", "use": ["fallback"], "source": "files",
            "files": [str(MODELS / "smollm2-135m-instruct.gguf")],
        },
        {"name": "all-minilm", "use": ["embed"], "source": "files", "files": [str(MODELS / "all-minilm")]},
    ]  # fmt: skip


def _authority(sandbox: Sandbox, part: str) -> str:
    return str(folder(sandbox) / part / "ca.crt")
