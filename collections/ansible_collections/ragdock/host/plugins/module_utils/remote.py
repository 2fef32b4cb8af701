"""Client for the proxy of models that run elsewhere, used on the proxy's host."""

from __future__ import annotations

import http.client
import json
from dataclasses import dataclass
from typing import Any

PORT = 11435
NAME = "remote"
CHAT, EMBED = "/chat/completions", "/embeddings"
QUESTION = "Say OK."
LONGEST_TEXT = 300
# What a server's HTTP status means, for messages.
MEANINGS = {
    401: "The server refuses the key. Put the right one into the parameter store and deploy again",
    403: "The key may not use this model, or the model is not enabled for this account",
    404: "The server has no such model or no such path. Correct `model` or `base_url` in ragdock_models",
    429: "The server allows no more requests or tokens now. Wait, or raise the quota there",
    502: "The server does not answer, its name does not resolve, or its certificate is not trusted. Correct "
    "`base_url`, or name its authority in `ca_file`",
    504: "The server did not answer in time",
}


def identities(models: list[dict[str, Any]]) -> dict[str, str]:
    """Model -> the identity that an index records in place of its weights, for those in REMOTE_MODELS."""
    return {one["name"]: f"{one['model']}@{one['host']}" for one in models}


class RemoteError(Exception):
    """A model elsewhere did not answer. The text says what to do."""


@dataclass(frozen=True)
class Remote:
    """The proxy at an address."""

    at: str
    seconds: float

    def status(self, method: str, target: str, host: str = f"{NAME}:{PORT}") -> int:
        """Send a request without a body and with METHOD and TARGET unchanged; return the status."""
        connection = http.client.HTTPConnection(self.at, PORT, timeout=self.seconds)
        try:
            connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
            connection.putheader("Host", host)
            # Without this header, a refusal could be due to its absence.
            connection.putheader("Content-Length", "0")
            connection.endheaders()
            return connection.getresponse().status
        finally:
            connection.close()

    def ask(self, slug: str, model: str, *, embed: bool) -> str:
        """Return that a model answers, or its vector size. Costs few tokens: reads one line of a stream."""
        wanted: dict[str, Any] = (
            {"model": model, "input": QUESTION}
            if embed
            else {"model": model, "messages": [{"role": "user", "content": QUESTION}], "stream": True}
        )
        connection = http.client.HTTPConnection(self.at, PORT, timeout=self.seconds)
        try:
            connection.request(
                "POST",
                f"/{slug}{EMBED if embed else CHAT}",
                body=json.dumps(wanted),
                headers={"Host": f"{NAME}:{PORT}", "Content-Type": "application/json"},
            )
            answer = connection.getresponse()
            if answer.status != http.HTTPStatus.OK:
                text = " ".join(answer.read(LONGEST_TEXT).decode("utf-8", "replace").split())
                meaning = MEANINGS.get(answer.status, "The server could not answer")
                raise RemoteError(f"answered {answer.status}: {text}. {meaning}")
            return _dimension(answer.read()) if embed else _first_line(answer)
        except (OSError, http.client.HTTPException) as error:
            raise RemoteError(f"gave no answer: {error or type(error).__name__}") from error
        finally:
            connection.close()


def _dimension(body: bytes) -> str:
    try:
        return f"{len(json.loads(body)['data'][0]['embedding'])} dimensions"
    except (ValueError, LookupError, TypeError) as error:
        raise RemoteError(f"answered with no vector: {body[:LONGEST_TEXT]!r}") from error


def _first_line(answer: http.client.HTTPResponse) -> str:
    for line in answer:
        if line.startswith(b"data:"):
            return "answers"
        if line.strip() and not line.startswith(b":"):
            raise RemoteError(f"answered with no stream: {line[:LONGEST_TEXT]!r}")
    raise RemoteError("ended its answer without a word")
