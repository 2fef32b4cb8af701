"""No generated secret stands where people look, copy or mail."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.stack.door import CHECKOUT, value
from tests.stack.host import Host
from tests.stack.plays import play

SHORTEST = 16


def secrets_of(host: Host) -> dict[str, str]:
    """Name -> a piece of each secret that cannot occur by chance."""
    script = (
        'cd /opt/ragdock/secrets; find . -type f | while read -r f; do echo "== $f"; cat "$f"; echo; done'
    )
    found: dict[str, str] = {}
    for part in host.shell(script).split("== ")[1:]:
        name, _, text = part.partition("\n")
        if "PRIVATE KEY-----" in text:
            found[name] = text.strip().splitlines()[2]
        elif "-----BEGIN" not in text:
            found.update(
                {f"{name}#{at}": word for at, word in enumerate(text.split()) if len(word) >= SHORTEST}
            )
    found["password"], found["token"] = value("password"), value("token")
    assert len(found) > 6, "too few secrets to look for"
    return found


def named_in(text: str, secrets: dict[str, str]) -> list[str]:
    """Names of the secrets that occur."""
    return [name for name, secret in secrets.items() if secret in text]


def test_the_search_itself_finds_what_is_there(host: Host) -> None:
    """A search that finds nothing proves nothing until it has found something."""
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
    """The most talkative deployment with every diff shown, and what lies in this checkout's state."""
    secrets = secrets_of(host)
    told = play("playbooks/deploy.yml", "-vvv", "--diff").good()
    assert not named_in(told.output, secrets), named_in(told.output, secrets)
    checked = play("site.yml", "-vvv", "--diff", "--check").good()
    assert not named_in(checked.output, secrets), named_in(checked.output, secrets)
    for path in operators_files():
        text = path.read_text(errors="replace")
        assert not named_in(text, secrets), f"{path} shows {named_in(text, secrets)}"


def operators_files() -> list[Path]:
    """What git knows, and the state directory."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=CHECKOUT, capture_output=True, text=True, check=True
    ).stdout
    known = [CHECKOUT / line for line in listed.splitlines()]
    state = (CHECKOUT / ".ragdock").rglob("*")
    return [path for path in (*known, *state) if path.is_file() and not path.is_symlink()]
