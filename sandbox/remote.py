"""A server of remote models for deployments: two containers that are started only on request."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import secrets
import socket
import ssl
from ipaddress import IPv4Network
from pathlib import Path
from typing import Any

import requests
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
# Model names on the remote server and on Bedrock -> the names of the models in Ollama.
KNOWN = {
    "smollm2-elsewhere": "smollm2",
    "openai.gpt-oss-20b-1:0": "smollm2",
    "all-minilm-elsewhere": "all-minilm",
}
SECONDS = 120
# The names of the models in Ollama -> their files.
FILES = {"smollm2": MODELS / "smollm2-135m-instruct.gguf", "all-minilm": MODELS / "all-minilm"}
UPLOAD_SECONDS = 300
# Our own containers are not behind this machine's proxy.
HTTP = requests.Session()
HTTP.trust_env = False


def bedrock_name(sandbox: Sandbox) -> str:
    """Return the host name of Bedrock in the sandbox's region."""
    return f"bedrock-runtime.{sandbox.region}.amazonaws.com"


def folder(sandbox: Sandbox) -> Path:
    """Return the folder with certificates, the key and the active fault."""
    return sandbox.state / "elsewhere"


def models(sandbox: Sandbox) -> Container:
    """Specify the container of Ollama with the sandbox's models."""
    return Container(
        name=MODELS_NAME,
        image=OLLAMA_IMAGE,
        network=networks.aws_network(sandbox),
        address=str(sandbox.elsewhere_models_address),
        part="elsewhere",
        command=("serve",),
        options={"host": {"init": True}},
    )


def endpoint(sandbox: Sandbox) -> Container:
    """Specify the container in front of Ollama, with TLS, keys and faults."""
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
    """Start both containers, create key and models, and give the server Bedrock's name in each subnet."""
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
    serves = docker_api.find(client, MODELS_NAME)
    docker_api.wait_for(
        "The Ollama of models elsewhere", lambda: _lists(sandbox) is not None, serves, SECONDS
    )
    for name in FILES.keys() - (_lists(sandbox) or set()):
        _create(sandbox, name)
    running = docker_api.find(client, NAME)
    docker_api.wait_for("The models elsewhere", lambda: _answers(sandbox), running, SECONDS)


def _name(client: Any, sandbox: Sandbox) -> None:
    """Connect the server to each subnet under Bedrock's name, like an interface endpoint of a VPC."""
    container = docker_api.find(client, NAME)
    if container is None:
        return
    for network in networks.ours(client, sandbox):
        if network.attrs["Labels"].get(PART) == "subnet":
            network.reload()
            if container.id not in (network.attrs.get("Containers") or {}):
                cidr = IPv4Network(network.attrs["IPAM"]["Config"][0]["Subnet"])
                # An address near the end of the range: the first ones are for AWS and instances, the last is
                # for a model host.
                network.connect(container, ipv4_address=str(cidr[-3]), aliases=[bedrock_name(sandbox)])


def _ollama(sandbox: Sandbox) -> str:
    return f"http://{sandbox.elsewhere_models_address}:11434/api"


def _lists(sandbox: Sandbox) -> set[str] | None:
    """Return the names of the models that Ollama has; None if it does not answer."""
    try:
        found = HTTP.get(f"{_ollama(sandbox)}/tags", timeout=5).json()
    except requests.RequestException:
        return None
    return {one["name"].removesuffix(":latest") for one in found["models"]}


def _create(sandbox: Sandbox, name: str) -> None:
    """Create a model as a deployment does, with the path of each file: two of one name may be in it."""
    source, digests = FILES[name], {}
    for path in [source] if source.is_file() else sorted(one for one in source.rglob("*") if one.is_file()):
        data = path.read_bytes()
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        at = f"{_ollama(sandbox)}/blobs/{digest}"
        # Ollama resets the connection of a second upload of what it has.
        if not HTTP.head(at, timeout=UPLOAD_SECONDS).ok:
            HTTP.post(at, data=data, timeout=UPLOAD_SECONDS).raise_for_status()
        digests[path.name if path == source else str(path.relative_to(source))] = digest
    body = {"model": name, "files": digests, "stream": False}
    HTTP.post(f"{_ollama(sandbox)}/create", json=body, timeout=UPLOAD_SECONDS).raise_for_status()


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
    """Switch on a fault of the servers from the next request on; `off` for none."""
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


def settings_for(sandbox: Sandbox, *, embed: bool = False) -> str:
    """Start the servers and store the key as an operator would; return the settings to use them, as YAML.

    With `embed`, the embedder runs there, too.
    """
    up(docker_api.connect(), sandbox)
    name = inventory(sandbox.checkout).get("ragdock_name", sandbox.name)
    AwsApi(sandbox).ssm.put_parameter(
        Name=f"/ragdock/{name}/{PARAMETER}",
        Value=(folder(sandbox) / "key").read_text(),
        Type="SecureString",
        Overwrite=True,
    )
    return yaml.safe_dump({"ragdock_models": _models(sandbox, embed=embed)}, sort_keys=False)


def _models(sandbox: Sandbox, *, embed: bool = False) -> list[dict[str, Any]]:
    """Return one model per server, a local one as fallback, and an embedder: local, or elsewhere."""
    own = f"https://{sandbox.elsewhere_address}:{server.OWN_PORT}/v1"
    here = {"name": "all-minilm", "use": ["embed"], "source": "files", "files": [str(MODELS / "all-minilm")]}
    there = {
        "name": "all-minilm-elsewhere", "use": ["embed"], "source": "openai", "base_url": own,
        "key": {"parameter": PARAMETER}, "ca_file": _authority(sandbox, "own"),
    }  # fmt: skip
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
        there if embed else here,
    ]  # fmt: skip


def _authority(sandbox: Sandbox, part: str) -> str:
    return str(folder(sandbox) / part / "ca.crt")
