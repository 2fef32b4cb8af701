"""Filters for models that run elsewhere: those of ragdock_models with `source: openai`."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible.errors import AnsibleFilterError

SOURCE = "openai"
BEDROCK = "bedrock"
# Default context size in tokens, the same as for a local model (OLLAMA_NUM_CTX).
WINDOW = 4096
# Answers that a model writes at the same time, unless its entry says otherwise.
PARALLEL = 8
MEMORY_MIB = 64
LIBRARY = "aws_bedrock_token_generator"
SERVICE = "remote"
# The fields of a model that services receive: neither its key nor anything that leads to it.
PASSED_ON = ("name", "slug", "model", "host", "tokens_per_day", "window", "parallel")


def remote_slug(name: str) -> str:
    """Convert a model's name to a form for paths and file names, unique for each name."""
    plain = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
    return plain if plain == name else f"{plain}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def remote_models(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The models that run elsewhere, as the stack is configured for them."""
    return [_described(one) for one in models if one["source"] == SOURCE]


def remote_local(models: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The models that run on this host."""
    return [one for one in models if one["source"] != SOURCE]


def _described(model: Mapping[str, Any]) -> dict[str, Any]:
    address = urlsplit(str(model["base_url"]))
    key = model["key"]
    return {
        "name": str(model["name"]),
        "slug": remote_slug(str(model["name"])),
        "model": str(model.get("model") or model["name"]),
        # The server's name, both for people and in requests.
        "host": address.netloc,
        "path": address.path.rstrip("/"),
        "chat": any(use != "embed" for use in model["use"]),
        # A model without a use may have made the index that serves until another embedder's is built.
        "embed": "embed" in model["use"] or not model["use"],
        "kept": not model["use"],
        "parameter": str(key["parameter"]) if isinstance(key, Mapping) else "",
        "bedrock": address.netloc.split(".")[1] if key == BEDROCK else "",
        "has_key": key != "none",
        "ca_file": str(model.get("ca_file") or ""),
        # For our own model host, which may be stopped: the secret that has its certificate authority.
        "ca": str(model.get("ca") or ""),
        "model_host": bool(model.get("model_host")),
        "tokens_per_day": int(model.get("tokens_per_day") or 0),
        "window": int(model.get("window") or WINDOW),
        "parallel": int(model.get("parallel") or PARALLEL),
    }


def remote_variable(models: list[dict[str, Any]]) -> str:
    """The value of the variable that lists the models that run elsewhere for the services."""
    return json.dumps([{key: one[key] for key in PASSED_ON} for one in remote_models(models)])


def remote_memory(limits: Mapping[str, Any], models: list[dict[str, Any]]) -> dict[str, Any]:
    """The memory limits of the containers; the proxy's only if a model runs elsewhere."""
    others = {service: size for service, size in limits.items() if service != SERVICE}
    return others | ({SERVICE: limits.get(SERVICE, MEMORY_MIB)} if remote_models(models) else {})


def remote_missing(models: list[dict[str, Any]], secrets: Mapping[str, str], path: str) -> list[str]:
    """The command to run for each key that is missing from the Parameter Store."""
    return [
        f"The model {one['name']} asks {one['host']} with the key in {path}{one['parameter']}, which is not "
        f"in the parameter store. Put it there: aws ssm put-parameter --type SecureString --name "
        f"{path}{one['parameter']} --value file://KEYFILE"
        for one in remote_models(models)
        if one["parameter"] and not one["model_host"] and not secrets.get(one["parameter"], "").strip()
    ]


def remote_unreadable(models: list[dict[str, Any]], other: Mapping[str, str]) -> list[str]:
    """One sentence for each file of an authority that is not a readable PEM file on this machine.

    `other` are files of other settings, by the setting's name; an empty path stands for none.
    """
    files = [
        (f"'ca_file' of {one['name']} in 'ragdock_models'", one["ca_file"]) for one in remote_models(models)
    ]
    files += [(f"'{name}'", path) for name, path in other.items()]
    return [f"{where} is {path!r}: {why}." for where, path in files if path and (why := _not_pem(path))]


def _not_pem(path: str) -> str:
    """Why a file has no certificate that could be used; empty if it has one."""
    try:
        file = Path(path).expanduser()
        if not file.is_absolute():
            return "it must be an absolute path"
        text = file.read_text(encoding="utf-8")
    except (OSError, RuntimeError, ValueError) as error:
        return f"it cannot be read on this machine ({getattr(error, 'strerror', '') or 'it is no text'})"
    return "" if "-----BEGIN CERTIFICATE-----" in text else "it has no certificate (PEM, BEGIN CERTIFICATE)"


def remote_minted(models: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The keys for models on Bedrock, which the host makes itself: file below secrets/ and region."""
    return [
        {"path": f"{SERVICE}/{one['slug']}", "region": one["bedrock"]}
        for one in remote_models(models)
        if one["bedrock"]
    ]


def remote_library(models: list[dict[str, Any]], folder: str) -> dict[str, str]:
    """AWS's library that makes those keys, as path -> text; the host has only Debian's Python packages."""
    if not remote_minted(models):
        return {}
    found = importlib.util.find_spec(LIBRARY)
    if found is None or found.origin is None:
        raise AnsibleFilterError(
            f"The Python package {LIBRARY.replace('_', '-')} is not here. A model of ragdock_models"
            " has `key: bedrock`, and the host makes that key with it. Run `make deps`."
        )
    package = Path(found.origin).parent
    return {f"{folder}/{LIBRARY}/{one.name}": one.read_text("utf-8") for one in sorted(package.glob("*.py"))}


def remote_notice(models: list[dict[str, Any]]) -> str:
    """Describe which text leaves the host, and where it goes."""
    uses = {
        "chat": "questions, the passages found for them and the earlier turns of the conversation",
        "embed": "the text of every document, every question, and the sentences of answers and passages that"
        " are compared to check an answer",
    }
    kept = "questions, the sentences compared to check an answer and new documents, while its index serves,"
    lines = [
        f"{kept if one['kept'] else ', and '.join(text for use, text in uses.items() if one[use])} to "
        f"{'the model host' if one['model_host'] else one['host']} ({one['name']})"
        for one in remote_models(models)
    ]
    return "\n".join(
        ["Text leaves this host, because ragdock_models says so:", *(f"  {one}" for one in lines)]
    )


class FilterModule:
    """What Ansible loads."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Name -> function."""
        return {
            "remote_library": remote_library,
            "remote_local": remote_local,
            "remote_memory": remote_memory,
            "remote_minted": remote_minted,
            "remote_missing": remote_missing,
            "remote_models": remote_models,
            "remote_notice": remote_notice,
            "remote_slug": remote_slug,
            "remote_unreadable": remote_unreadable,
            "remote_variable": remote_variable,
        }
