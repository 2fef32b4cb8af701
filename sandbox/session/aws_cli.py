"""Stand-in for the AWS CLI: `aws --version`, and `aws ssm start-session` for SSH.

It requests a session from the sandbox's AWS as the AWS CLI does, and leaves the rest to the plugin.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from sandbox.session import signed

VERSION = "aws-cli/2.31.0 Python/3 sandbox"
DOCUMENT = "AWS-StartSSHSession"
# The operator's keys for the sandbox's inventory, written by `python -m sandbox up`.
OPERATOR = Path(__file__).parents[2] / ".sandbox" / "credentials"
FAILED, UNKNOWN = 254, 252


def options(words: list[str]) -> dict[str, str]:
    """Parse --name value pairs; Ansible's connections use nothing else."""
    names, values = words[::2], words[1::2]
    known = {"--region", "--profile", "--endpoint-url", "--target", "--document-name", "--parameters"}
    if len(names) != len(values) or not set(names) <= known:
        raise ValueError(f"Unknown options: {' '.join(words)}")
    return {name.removeprefix("--"): value for name, value in zip(names, values, strict=True)}


def credentials(profile: str, environment: dict[str, str]) -> signed.Keys:
    """Return the keys of a profile, or those of the default chain: the environment's, else the operator's."""
    if not profile and "AWS_ACCESS_KEY_ID" in environment:
        return signed.Keys(
            environment["AWS_ACCESS_KEY_ID"],
            environment.get("AWS_SECRET_ACCESS_KEY", ""),
            environment.get("AWS_SESSION_TOKEN", ""),
        )
    import configparser

    files = [OPERATOR]
    for variable, name in (("AWS_SHARED_CREDENTIALS_FILE", "credentials"), ("AWS_CONFIG_FILE", "config")):
        files.append(Path(environment.get(variable, Path.home() / ".aws" / name)))
    wanted = profile or environment.get("AWS_PROFILE", "default")
    for file in files:
        found = configparser.ConfigParser(interpolation=None)
        found.read(file)
        for section in (wanted, f"profile {wanted}"):
            if found.has_option(section, "aws_access_key_id"):
                one = found[section]
                return signed.Keys(
                    one["aws_access_key_id"],
                    one.get("aws_secret_access_key", ""),
                    one.get("aws_session_token", ""),
                )
    raise LookupError(
        f"The config profile ({profile}) could not be found" if profile else "Unable to locate credentials"
    )


def _failed(code: int, message: object) -> int:
    sys.stderr.write(f"{message}\n")
    return code


def main(words: list[str]) -> int:
    """Start a session and replace this process with the plugin; return an exit code on failure."""
    if words == ["--version"]:
        sys.stdout.write(f"{VERSION}\n")
        return 0
    if words[:2] != ["ssm", "start-session"]:
        return _failed(
            UNKNOWN, "The stand-in of the AWS CLI starts sessions only; install the AWS CLI for more."
        )
    try:
        given = options(words[2:])
        wanted = {
            "Target": given["target"],
            "DocumentName": given["document-name"],
            "Parameters": {
                name: [value]
                for name, _, value in (one.partition("=") for one in given["parameters"].split(","))
            },
        }
        endpoint, region = given["endpoint-url"], given["region"]
    except (ValueError, KeyError) as error:
        return _failed(UNKNOWN, f"aws: [ERROR]: {error} is needed, or not known here")
    profile = given.get("profile", "")
    try:
        keys = credentials(profile, dict(os.environ))
        answer = signed.call(endpoint, region, keys, "StartSession", wanted)
    except (LookupError, signed.RefusedError, OSError) as error:
        return _failed(FAILED, error)
    # Find the plugin on PATH, as the AWS CLI does.
    plugin = "session-manager-plugin"
    words = [plugin, json.dumps(answer), region, "StartSession", profile, json.dumps(wanted), endpoint]
    try:
        os.execvp(plugin, words)  # noqa: S606
    except OSError:
        return _failed(FAILED, "SessionManagerPlugin is not found. Please refer to the docs to install it.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
