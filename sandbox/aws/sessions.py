"""Session Manager: the registered agents, and a relay that connects plugins with agents.

Two parts share one table. The WSGI application answers the operations of Systems Manager that moto lacks. The
relay joins connections: each agent keeps a control connection to it, over which it is notified of sessions;
for each session the operator's plugin opens one connection and the agent another. So a host needs no open
port.

None of this is recorded: agents register again, and an interrupted session is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from sandbox.aws.recorder import App, Start, take_body
from sandbox.aws.refusals import JSON, Refusal
from sandbox.aws.signature import credential
from sandbox.pump import CHUNK, Streams, join

PORT = 5022
DOCUMENT = "AWS-StartSSHSession"
# An agent sends a line every few seconds; after this long without one it counts as disconnected.
SILENT_SECONDS = 15.0
JOIN_SECONDS = 15.0
OPERATIONS = frozenset(
    {
        "DescribeInstanceInformation",
        "ResumeSession",
        "StartSession",
        "TerminateSession",
        "UpdateInstanceInformation",
    }
)
INSTANCE = re.compile(r"i-[0-9a-f]{8,17}")


class RefusedError(Exception):
    """An operation failed; the caller gets this error."""

    def __init__(self, code: str, message: str) -> None:
        """Keep the error to answer with."""
        super().__init__(message)
        self.refusal = Refusal(code, message)


@dataclass
class Agent:
    """The agent of one instance, as it registered."""

    instance: str
    version: str
    address: str
    token: str
    pinged: float = 0.0
    writer: asyncio.StreamWriter | None = None

    @property
    def connected(self) -> bool:
        """Return whether the agent can be notified of a session now."""
        return self.writer is not None and time.monotonic() - self.pinged < SILENT_SECONDS


@dataclass
class Session:
    """One session that was started."""

    id: str
    token: str
    agent: Agent
    port: int
    # The agent's connection for this session; its result is None if the agent could not open one.
    joined: asyncio.Future[Streams | None] | None = None


@dataclass
class Sessions:
    """The registered agents and the sessions that were started."""

    url: str
    agents: dict[str, Agent] = field(default_factory=dict)
    sessions: dict[str, Session] = field(default_factory=dict)

    def call(self, operation: str, values: dict[str, Any], caller: str) -> dict[str, Any]:
        """Answer an operation of Systems Manager."""
        if operation == "UpdateInstanceInformation":
            return self._register(values)
        if operation == "DescribeInstanceInformation":
            return {"InstanceInformationList": [_information(one) for one in self._asked(values)]}
        if operation == "StartSession":
            return self._start(values, caller)
        return {"SessionId": values.get("SessionId", "")}

    def _register(self, values: dict[str, Any]) -> dict[str, Any]:
        instance = str(values.get("InstanceId", ""))
        if not INSTANCE.fullmatch(instance):
            raise RefusedError("InvalidInstanceId", f"{instance} is no instance.")
        version, address = (str(values.get(name, "")) for name in ("AgentVersion", "IPAddress"))
        agent = Agent(instance, version, address, secrets.token_hex(16))
        self.agents[instance] = agent
        # On AWS another API returns these; here one call is enough.
        return {"StreamUrl": self.url, "TokenValue": agent.token}

    def _asked(self, values: dict[str, Any]) -> list[Agent]:
        wanted = [
            set(one.get("Values") or one.get("valueSet") or ())
            for one in (*values.get("Filters", ()), *values.get("InstanceInformationFilterList", ()))
            if (one.get("Key") or one.get("key")) == "InstanceIds"
        ]
        return [one for one in self.agents.values() if all(one.instance in ids for ids in wanted)]

    def _start(self, values: dict[str, Any], caller: str) -> dict[str, Any]:
        target, document = str(values.get("Target", "")), str(values.get("DocumentName", ""))
        if document != DOCUMENT:
            raise RefusedError(
                "InvalidDocument", f"{document or 'A shell'} is not what this AWS can start: {DOCUMENT} is."
            )
        agent = self.agents.get(target)
        if agent is None or not agent.connected:
            raise RefusedError("TargetNotConnected", f"{target} is not connected.")
        port = int(values.get("Parameters", {}).get("portNumber", ["22"])[0])
        session = Session(f"{caller}-{secrets.token_hex(9)}", secrets.token_hex(16), agent, port)
        self.sessions[session.token] = session
        return {"SessionId": session.id, "TokenValue": session.token, "StreamUrl": self.url}


def _information(agent: Agent) -> dict[str, Any]:
    return {
        "InstanceId": agent.instance,
        "PingStatus": "Online" if agent.connected else "ConnectionLost",
        "LastPingDateTime": time.time() - (time.monotonic() - agent.pinged),
        "AgentVersion": agent.version,
        "IsLatestVersion": False,
        "PlatformType": "Linux",
        "PlatformName": "Debian GNU/Linux",
        "PlatformVersion": "13",
        "ResourceType": "EC2Instance",
        "IPAddress": agent.address,
    }


class Application:
    """A WSGI application that answers Session Manager's operations and passes on everything else."""

    def __init__(self, app: App, sessions: Sessions, named: Callable[[str], str] = str) -> None:
        """Answer for `sessions`; NAMED returns the name of an access key's owner."""
        self._app = app
        self._sessions = sessions
        self._named = named

    def __call__(self, environ: dict[str, Any], start_response: Start) -> Iterable[bytes]:
        """Answer one request."""
        service, _, operation = str(environ.get("HTTP_X_AMZ_TARGET", "")).partition(".")
        if service != "AmazonSSM" or operation not in OPERATIONS:
            return self._app(environ, start_response)
        signed = credential(environ)
        # A session's id begins with the name of the caller; only that caller may terminate it.
        caller = self._named(signed.key) if signed else "anonymous"
        try:
            answer = self._sessions.call(operation, json.loads(take_body(environ) or b"{}"), caller)
        except RefusedError as refused:
            status, headers, text = refused.refusal.answer(JSON)
        else:
            status, text = "200 OK", json.dumps(answer).encode()
            headers = [("Content-Type", "application/x-amz-json-1.1"), ("Content-Length", str(len(text)))]
        start_response(status, headers)
        return [text]


class Relay:
    """Joins the connections of plugins and agents."""

    def __init__(self, sessions: Sessions) -> None:
        """Serve `sessions`."""
        self._sessions = sessions

    async def serve(self, host: str, port: int = PORT) -> None:
        """Serve forever."""
        server = await asyncio.start_server(self.answer, host, port, limit=CHUNK)
        async with server:
            await server.serve_forever()

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle one connection; its first line names its kind and token."""
        kind, _, token = (await reader.readline()).decode(errors="replace").strip().partition(" ")
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            if kind == "control":
                await self._keep(token, reader, writer)
            elif kind == "data" and (session := self._sessions.sessions.get(token)) and session.joined:
                # Hand the connection over to the plugin's session; do not close it here.
                session.joined.set_result((reader, writer))
                return
            elif kind == "session":
                await self._carry(token, reader, writer)
        writer.close()

    async def _keep(self, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle an agent's control connection, on which it sends a line every few seconds."""
        agent = next((one for one in self._sessions.agents.values() if one.token == token), None)
        if agent is None:
            return
        agent.writer, agent.pinged = writer, time.monotonic()
        try:
            while line := await asyncio.wait_for(reader.readline(), SILENT_SECONDS):
                agent.pinged = time.monotonic()
                word, _, refused = line.decode(errors="replace").strip().partition(" ")
                session = self._sessions.sessions.get(refused) if word == "refused" else None
                if session and session.joined and not session.joined.done():
                    session.joined.set_result(None)
        except TimeoutError:
            return
        finally:
            agent.writer = None

    async def _carry(self, token: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Handle a plugin's connection: notify the agent, then join the two connections."""
        session = self._sessions.sessions.get(token)
        if session is None or session.joined or session.agent.writer is None:
            return
        session.joined = asyncio.get_running_loop().create_future()
        session.agent.writer.write(f"open {token} {session.port}\n".encode())
        try:
            there = await asyncio.wait_for(session.joined, JOIN_SECONDS)
        except TimeoutError:
            there = None
        finally:
            del self._sessions.sessions[token]
        if there is not None:
            await join((reader, writer), there)
            there[1].close()
