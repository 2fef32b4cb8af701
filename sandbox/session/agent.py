"""Stand-in for the Session Manager agent on hosts of the sandbox: registers the host and relays SSH to it.

It only makes outgoing connections. It keeps a control connection to the sandbox's AWS, on which it is
notified of each session; for a session it opens one connection to the AWS and one to its own sshd.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import sys
from pathlib import Path
from typing import Any

from sandbox.pump import CHUNK, join
from sandbox.session import signed

SETTINGS = Path("/etc/amazon/ssm/sandbox.json")
METADATA = "169.254.169.254"
PING_SECONDS = 5
AGAIN_SECONDS = 1
# Sessions have their own connections and continue when the control connection is reopened.
CARRIED: set[asyncio.Task[None]] = set()


def metadata(method: str, path: str, **headers: str) -> str:
    """Send a request to the instance's metadata service."""
    connection = http.client.HTTPConnection(METADATA, timeout=5)
    try:
        words = {f"X-aws-ec2-metadata-{name.replace('_', '-')}": value for name, value in headers.items()}
        connection.request(method, f"/latest/{path}", headers=words)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:
        raise OSError(f"the instance's metadata answers {answer.status} for {path}")
    return text


def register(endpoint: str, version: str) -> tuple[str, str]:
    """Register this host with its role's credentials; return the address to connect to, and a token."""
    token = metadata("PUT", "api/token", token_ttl_seconds="60")  # noqa: S106

    def one(path: str) -> str:
        return metadata("GET", f"meta-data/{path}", token=token)

    role = one("iam/security-credentials/").split()[0]
    given: dict[str, str] = json.loads(one(f"iam/security-credentials/{role}"))
    values: dict[str, Any] = {
        "InstanceId": one("instance-id"),
        "AgentName": "amazon-ssm-agent",
        "AgentStatus": "Active",
        "AgentVersion": version,
        "IPAddress": one("local-ipv4"),
        "PlatformType": "Linux",
        "PlatformName": "Debian GNU/Linux",
        "PlatformVersion": "13",
    }
    keys = signed.Keys(given["AccessKeyId"], given["SecretAccessKey"], given["Token"])
    region = one("placement/region")
    found = signed.call(endpoint, region, keys, "UpdateInstanceInformation", values)
    return found["StreamUrl"].removeprefix("tcp://"), found["TokenValue"]


async def carry(address: str, token: str, port: int, control: asyncio.StreamWriter) -> None:
    """Relay one session from the AWS to a port of this host."""
    host, _, relay = address.partition(":")
    try:
        here = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        control.write(f"refused {token}\n".encode())
        return
    try:
        there = await asyncio.open_connection(host, int(relay), limit=CHUNK)
        there[1].write(f"data {token}\n".encode())
        await join(here, there)
        there[1].close()
    finally:
        here[1].close()


async def ping(control: asyncio.StreamWriter) -> None:
    """Report every few seconds that this host is connected."""
    while True:
        control.write(b"ping\n")
        await control.drain()
        await asyncio.sleep(PING_SECONDS)


async def follow(address: str, token: str) -> None:
    """Keep the control connection to the AWS, and relay each session."""
    host, _, port = address.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    kept = writer.get_extra_info("socket")
    # Keepalive detects an AWS that was killed and so did not close the connection.
    kept.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    kept.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 3000 * PING_SECONDS)
    writer.write(f"control {token}\n".encode())
    pinging = asyncio.create_task(ping(writer))
    try:
        while line := await reader.readline():
            _, session, wanted = line.decode().split()
            task = asyncio.create_task(carry(address, session, int(wanted), writer))
            CARRIED.add(task)
            task.add_done_callback(CARRIED.discard)
    finally:
        pinging.cancel()
        writer.close()


async def main() -> None:
    """Register and serve sessions, forever."""
    settings = json.loads(SETTINGS.read_text())
    said = ""
    while True:
        try:
            address, token = await asyncio.to_thread(register, settings["endpoint"], settings["version"])
            sys.stdout.write(f"registered; sessions come by {address}\n")
            sys.stdout.flush()
            said = ""
            await follow(address, token)
        except (OSError, ValueError, LookupError, http.client.HTTPException, signed.RefusedError) as error:
            if str(error) != said:
                said = str(error)
                sys.stderr.write(f"not connected: {error}\n")
        await asyncio.sleep(AGAIN_SECONDS)


if __name__ == "__main__":
    asyncio.run(main())
