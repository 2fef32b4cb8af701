"""ECR from a host with nothing but Python: role credentials, a token, and docker logged in without a trace.

The token is handed to docker through a credential helper that reads it from
the environment of that one docker process: it stands in no file and in no
argument list, and is gone when the process ends.
"""

from __future__ import annotations

import base64
import contextlib
import datetime as dt
import hashlib
import hmac
import json
import os
import tempfile
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

METADATA = "http://169.254.169.254"
TOKEN_VARIABLE = "RAGDOCK_REGISTRY_TOKEN"  # noqa: S105 - a name, not a token
HELPER = f"""#!/bin/sh
# Answers docker's question for credentials; anything but `get` is a no-op.
[ "$1" = get ] || exit 0
read -r server
printf '{{"ServerURL":"%s","Username":"AWS","Secret":"%s"}}' "$server" "${TOKEN_VARIABLE}"
"""


class RegistryError(Exception):
    """The registry or its credentials cannot be had; the text says what to do."""


@dataclass(frozen=True)
class Credentials:
    """What signs a request to AWS."""

    key: str
    secret: str
    session: str


def registry_of(ref: str) -> str:
    """The registry's name in an image reference."""
    return ref.split("/", 1)[0]


def region_of(registry: str) -> str:
    """The region in <account>.dkr.ecr.<region>.amazonaws.com."""
    parts = registry.split(".")
    if len(parts) < 6 or parts[1:3] != ["dkr", "ecr"]:
        raise RegistryError(f"{registry} is not an ECR registry (<account>.dkr.ecr.<region>.amazonaws.com).")
    return parts[3]


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signed_headers(
    url: str, body: str, target: str, region: str, by: Credentials, now: dt.datetime
) -> dict[str, str]:
    """Headers of a signed (version 4) JSON request to ECR's API."""
    stamp = f"{now:%Y%m%dT%H%M%SZ}"
    headers = {
        "content-type": "application/x-amz-json-1.1",
        "host": urllib.parse.urlsplit(url).netloc,
        "x-amz-date": stamp,
        "x-amz-security-token": by.session,
        "x-amz-target": target,
    }
    names = ";".join(headers)
    canonical = "\n".join(
        [
            *("POST", "/", ""),
            *(f"{name}:{value}" for name, value in headers.items()),
            *("", names, hashlib.sha256(body.encode()).hexdigest()),
        ]
    )
    scope = f"{now:%Y%m%d}/{region}/ecr/aws4_request"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()])
    key = f"AWS4{by.secret}".encode()
    for part in scope.split("/"):
        key = _hmac(key, part)
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    headers["authorization"] = (
        f"AWS4-HMAC-SHA256 Credential={by.key}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return headers


def _ask(
    url: str, timeout: float, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: str = ""
) -> str:
    request = urllib.request.Request(  # noqa: S310 - http(s) only: AWS's own addresses
        url, method=method, headers=dict(headers or {}), data=body.encode() if body else None
    )
    with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310
        text: str = answer.read().decode()
    return text


def role_credentials() -> Credentials:
    """Credentials of the instance's role, from its metadata service (version 2)."""
    try:
        token = _ask(
            f"{METADATA}/latest/api/token",
            5,
            method="PUT",
            headers={"X-aws-ec2-metadata-token-ttl-seconds": "60"},
        )
        known = {"X-aws-ec2-metadata-token": token}
        base = f"{METADATA}/latest/meta-data/iam/security-credentials/"
        role = _ask(base, 5, headers=known).split()[0]
        found = json.loads(_ask(base + role, 5, headers=known))
    except (OSError, ValueError, IndexError) as error:
        raise RegistryError(
            f"The instance metadata service gave no role credentials: {error}. "
            "The host needs them to pull from ECR; playbooks/provision.yml attaches the instance profile."
        ) from error
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])


def ecr_token(region: str, endpoint_url: str, by: Credentials) -> str:
    """A registry password, good for twelve hours."""
    url = (endpoint_url or f"https://api.ecr.{region}.amazonaws.com").rstrip("/") + "/"
    target = "AmazonEC2ContainerRegistry_V20150921.GetAuthorizationToken"
    now = dt.datetime.now(dt.UTC)
    try:
        text = _ask(
            url, 20, method="POST", headers=signed_headers(url, "{}", target, region, by, now), body="{}"
        )
        encoded = json.loads(text)["authorizationData"][0]["authorizationToken"]
    except urllib.error.HTTPError as error:
        raise RegistryError(
            f"ECR refused a token ({error.code}): {error.read().decode(errors='replace')[:300]}. "
            "The host's role needs ecr:GetAuthorizationToken; playbooks/provision.yml grants it."
        ) from error
    except (OSError, ValueError, KeyError, IndexError) as error:
        raise RegistryError(f"ECR at {url} gave no token: {error}. Can the host reach AWS?") from error
    return base64.b64decode(encoded).decode().split(":", 1)[1]


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
