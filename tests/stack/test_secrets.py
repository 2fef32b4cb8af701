"""No generated secret is in a place that people read, copy or send by mail."""

from __future__ import annotations

import subprocess
import time
import uuid
from pathlib import Path
from typing import Any

import pytest

from sandbox import settings
from sandbox.cloud import AwsApi as Aws
from tests.stack.endpoint import CHECKOUT, value
from tests.stack.host import Host
from tests.stack.plays import play
from tests.stack.watch import Watch

SHORTEST = 16
LARGEST_BYTES = 20_000_000


def secrets_of(host: Host) -> dict[str, str]:
    """Map each secret on the host and in the parameter store to a piece that cannot occur by chance."""
    script = (
        'cd /opt/ragdock/secrets; find . -type f | while read -r f; do echo "== $f"; cat "$f"; echo; done'
    )
    found: dict[str, str] = {}
    for part in host.shell(script).split("== ")[1:]:
        name, _, text = part.partition("\n")
        found |= pieces(name, text)
    stored = parameters(value("name"))
    assert {"app_password", "api_token", "restic_password"} <= {name.rsplit("/", 1)[-1] for name in stored}
    for name, text in stored.items():
        found |= pieces(name, text)
    assert len(found) > 6, "too few secrets to look for"
    return found


def pieces(name: str, text: str) -> dict[str, str]:
    """Return what to search for: a private key's third line, no part of a certificate, else long words."""
    if "PRIVATE KEY-----" in text:
        return {name: text.strip().splitlines()[2]}
    if "-----BEGIN" in text:
        return {}
    return {f"{name}#{at}": word for at, word in enumerate(text.split()) if len(word) >= SHORTEST}


def parameters(name: str) -> dict[str, str]:
    """Return the encrypted parameters of a deployment: restic's password is there and not on the host."""
    ssm: Any = Aws(settings.load()).ssm
    pages = ssm.get_paginator("get_parameters_by_path").paginate(
        Path=f"/ragdock/{name}/", Recursive=True, WithDecryption=True
    )
    return {
        one["Name"]: one["Value"]
        for page in pages
        for one in page["Parameters"]
        if one["Type"] == "SecureString"
    }


def named_in(text: str, secrets: dict[str, str]) -> list[str]:
    """Return the names of the secrets that occur in a text."""
    return [name for name, secret in secrets.items() if secret in text]


def test_the_search_itself_finds_what_is_there(host: Host) -> None:
    """Show that the search can find a secret; otherwise finding none would mean nothing."""
    secrets = secrets_of(host)
    for name, secret in secrets.items():
        assert name in named_in(f"some text with {secret} in it", secrets)
    assert not named_in("some text without any", secrets)


def test_no_secret_on_the_host_outside_secrets(host: Host) -> None:
    """Releases, .env, config, state, docker inspect, container logs and the journal."""
    places = {
        "files": "cd /opt/ragdock; cat $(find releases config state current/ -type f)",
        "inspect": "docker inspect $(docker ps -aq)",
        "logs": "for c in $(docker ps -aq); do docker logs $c 2>&1; done",
        "journal": "journalctl --no-pager -o cat",
        "processes": "cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' '",
        "home": "cat $(find /root /home /tmp /var/log -type f -size -20M ! -path '*/journal/*') 2>/dev/null",
    }
    secrets = secrets_of(host)
    for place, script in places.items():
        text = host.shell(f"set +e\n{script}\ntrue")
        assert text or place in ("home",), f"nothing was read of {place}"
        assert not named_in(text, secrets), f"{place} shows {named_in(text, secrets)}"


def test_no_secret_in_ansibles_output_or_the_operators_files(host: Host) -> None:
    """Neither in output at -vvv with every diff shown, nor in this checkout's files and state."""
    secrets = secrets_of(host)
    outcome = play("playbooks/deploy.yml", "-vvv", "--diff").good()
    checked = play("site.yml", "-vvv", "--diff", "--check").good()
    assert not named_in(outcome.output, secrets), named_in(outcome.output, secrets)
    assert not named_in(checked.output, secrets), named_in(checked.output, secrets)
    for path in operators_files():
        text = path.read_text(errors="replace")
        assert not named_in(text, secrets), f"{path} shows {named_in(text, secrets)}"


@pytest.mark.parametrize("machine", ["operator", "host"])
def test_the_watch_on_processes_sees_a_short_one(host: Host, watch: Watch, machine: str) -> None:
    """The watch that finds nothing in a whole run (conftest.py) must be able to find a short process."""
    mark = f"ragdock-{uuid.uuid4().hex}"
    words = ("sh", "-c", f"sleep 0.1; : {mark}")
    if machine == "host":
        host.run(*words)
    else:
        subprocess.run(words, check=True)
    end = time.monotonic() + 10
    while mark not in watch.text[machine]:
        assert time.monotonic() < end, f"not seen on the {machine}"
        time.sleep(0.1)


def test_no_secret_in_the_sandbox_or_in_an_image(host: Host) -> None:
    """The logs of the AWS APIs, the registry and the loop, user data, and the history of images."""
    secrets = secrets_of(host)
    places = {
        "containers": "for c in $(docker ps -aq --filter name=ragdock-);"
        " do docker inspect $c; docker logs $c; done",
        "images": "for i in $(docker images -q --filter 'reference=*/ragdock/*/*' | sort -u);"
        " do docker history --no-trunc $i; docker inspect $i; done",
    }
    for place, script in places.items():
        output = subprocess.run(
            ["sh", "-ec", f"{{ {script}; }} 2>&1"], capture_output=True, text=True, check=True
        )
        assert output.stdout, f"nothing was read of {place}"
        assert not named_in(output.stdout, secrets), f"{place} show {named_in(output.stdout, secrets)}"
    # The key that the sandbox's model server accepts; an operator's own server would store it too.
    servers = CHECKOUT / ".sandbox" / "elsewhere" / "key"
    files = [path for path in (CHECKOUT / ".sandbox").rglob("*") if searched(path) and path != servers]
    assert any(path.name == "loop.log" for path in files)
    for path in files:
        text = path.read_text(errors="replace")
        assert not named_in(text, secrets), f"{path} shows {named_in(text, secrets)}"


def searched(path: Path) -> bool:
    """Return whether a file of the sandbox is to be searched; disks, models and links are not."""
    return path.is_file() and not path.is_symlink() and path.stat().st_size < LARGEST_BYTES


def test_keys_on_the_operators_machine_are_theirs_alone() -> None:
    """Private keys that must be files (the SSH key, the sandbox's CAs) are readable by their owner alone."""
    keys = [
        path
        for folder in (".ragdock", ".sandbox")
        for path in (CHECKOUT / folder).rglob("*")
        if searched(path) and "PRIVATE KEY-----" in path.read_text(errors="replace")
    ]
    assert keys
    for path in keys:
        assert path.stat().st_mode & 0o077 == 0, f"{path} can be read by others"


def operators_files() -> list[Path]:
    """Return the files that git tracks, and those of the state directory."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    known = [CHECKOUT / line for line in listed.splitlines()]
    state = (CHECKOUT / ".ragdock").rglob("*")
    return [path for path in (*known, *state) if path.is_file() and not path.is_symlink()]
