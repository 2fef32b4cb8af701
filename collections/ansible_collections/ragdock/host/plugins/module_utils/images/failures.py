"""Finds in BuildKit's output why an image did not build; the Dockerfile is only one possible reason."""

from __future__ import annotations

import re

# The failure comes last, with the output of the step that failed.
LAST_LINES = 40
# The order matters: a full disk and a missing bridge make a network fail too.
_REASONS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (
            r"cannot connect to the docker daemon|error during connect|is the docker daemon running",
            "Docker Engine does not run on this machine. Start it: systemctl start docker",
        ),
        (
            r"no space left on device|disk quota exceeded",
            "A disk of this machine is full. `docker system df` shows what images take, `df -h` the disks.",
        ),
        (
            r"bridge docker0|could not find bridge|failed to create endpoint|no such network interface"
            r"|network bridge not found",
            "Docker Engine lacks its network bridge, so no step of a build has a network. "
            "Restart the engine: systemctl restart docker",
        ),
        (
            r"(?:failed to create LLB definition|failed to resolve source metadata for \S+): \S+: not found",
            "The registry does not have the base image that the Dockerfile names. playbooks/plan.yml shows "
            "the digest that its tag has now.",
        ),
        (
            r"no such host|could not resolve|temporary failure (?:resolving|in name resolution)"
            r"|name or service not known|network is unreachable|no route to host"
            r"|connection (?:refused|timed out|reset by peer)|i/o timeout|tls handshake timeout"
            r"|read timed out|newconnectionerror|connecttimeouterror|unable to connect to"
            r"|\(from versions: none\)|toomanyrequests|too many requests|unexpected eof",
            "This machine did not reach a server that the build needs (the log names it). "
            "Run the same command again when it does.",
        ),
        (
            r"certificate verify failed|x509: certificate signed by unknown authority",
            "A server's certificate is not trusted. Behind a proxy that inspects TLS, name its authorities: "
            "stack_build_ca_file.",
        ),
    )
)


def reason(output: str, name: str) -> str:
    """What to do about a failed build: correct the Dockerfile, unless the output has another reason."""
    said = "\n".join(output.strip().splitlines()[-LAST_LINES:])
    for pattern, advice in _REASONS:
        if pattern.search(said):
            return advice
    return f"Correct services/{name}/Dockerfile."
