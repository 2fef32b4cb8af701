"""Ollama's HTTP API, and a short-lived puller beside the serving container."""

from __future__ import annotations

import http.client
import json
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.docker import Run, address, inspect

PORT = 11434
QUICK_SECONDS = 15.0
# Making a model from a safetensors tree converts it; a large one takes minutes.
CREATE_SECONDS = 900.0
# Timeout between two progress lines of a pull, not for the whole pull.
SILENCE_SECONDS = 120.0
START_SECONDS = 30.0
WEIGHTS = re.compile(r"^FROM .*sha256[-:]([0-9a-f]{64})\s*$", re.MULTILINE)


class OllamaError(Exception):
    """Ollama refused a request. The text is its answer."""


def full_name(name: str) -> str:
    """The name as Ollama lists it: with its tag."""
    return name if ":" in name.rsplit("/", 1)[-1] else f"{name}:latest"


class _Names(dict[str, Any]):
    """A mapping by model name; `get` finds a name with or without the default tag."""

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(full_name(name), default)


class Ollama:
    """The API of one server."""

    def __init__(self, host: str) -> None:
        self.host = host

    def _send(
        self,
        method: str,
        path: str,
        body: Any,
        timeout: float,
        read: Callable[[http.client.HTTPResponse], Any],
    ) -> Any:
        connection = http.client.HTTPConnection(self.host, PORT, timeout=timeout)
        try:
            connection.request(method, path, body=body)
            return read(connection.getresponse())
        except (OSError, http.client.HTTPException) as error:
            raise OllamaError(
                f"{method} {path} at {self.host}:{PORT}: {error or type(error).__name__}"
            ) from error
        finally:
            connection.close()

    def served(self) -> dict[str, str]:
        """Name -> digest of every model this server lists."""
        status, body = self._send("GET", "/api/tags", None, QUICK_SECONDS, lambda a: (a.status, a.read()))
        if status != 200:
            raise OllamaError(f"GET /api/tags answered {status} {body[:200]!r}")
        return _Names({one["name"]: one["digest"] for one in json.loads(body).get("models") or []})

    def ask(self, method: str, path: str, body: str | None, seconds: float) -> Any:
        """Send a request and return the answer, which must be JSON."""
        status, found = self._send(method, path, body, seconds, lambda a: (a.status, a.read()))
        if status != 200:
            raise OllamaError(f"{method} {path} answered {status} {found[:200]!r}")
        return json.loads(found)

    def loaded(self) -> dict[str, tuple[int, int]]:
        """Name -> size of every loaded model, and how much of it is on GPUs."""
        listed = self.ask("GET", "/api/ps", None, QUICK_SECONDS).get("models") or []
        return _Names({one["name"]: (one["size"], one.get("size_vram", 0)) for one in listed})

    def has_blob(self, digest: str) -> bool:
        """Whether the server has a file with this hash."""
        status = self._send("HEAD", f"/api/blobs/sha256:{digest}", None, QUICK_SECONDS, lambda a: a.status)
        return bool(status == 200)

    def send_blob(self, digest: str, path: Path) -> int:
        """Send a file that the server lacks; returns its size."""
        with path.open("rb") as file:
            status, body = self._send(
                "POST", f"/api/blobs/sha256:{digest}", file, CREATE_SECONDS, lambda a: (a.status, a.read())
            )
        if status != 201:
            raise OllamaError(f"the server refused the file {path.name}: {status} {body[:200]!r}")
        return path.stat().st_size

    def create(
        self,
        name: str,
        *,
        files: dict[str, str] | None = None,
        base: str | None = None,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        """Make a model from files on the server, or from another model."""
        request: dict[str, Any] = {"model": name, "stream": False}
        if files:
            request["files"] = {path: f"sha256:{digest}" for path, digest in files.items()}
        if base:
            request["from"] = base
        if parameters:
            request["parameters"] = parameters
        status, body = self._send(
            "POST", "/api/create", json.dumps(request), CREATE_SECONDS, lambda a: (a.status, a.read())
        )
        if status != 200 or b'"success"' not in body:
            raise OllamaError(
                f"/api/create of {name} answered {status} {body[-300:].decode('utf-8', 'replace')}. "
                "A model from files is one .gguf file, or the whole directory of a safetensors model."
            )

    def weights(self, name: str) -> str:
        """The hash of a model's weights: the same files always give the same one."""
        request = json.dumps({"model": name})
        status, body = self._send("POST", "/api/show", request, QUICK_SECONDS, lambda a: (a.status, a.read()))
        found = WEIGHTS.search(json.loads(body).get("modelfile", "")) if status == 200 else None
        if found is None:
            raise OllamaError(f"/api/show of {name} answered {status} {body[:200]!r}")
        return found.group(1)

    def pull(self, name: str) -> None:
        """Pull from the library named in the model's name."""

        def follow(answer: http.client.HTTPResponse) -> str:
            last = b""
            for line in answer:
                last = line.strip() or last
            return last.decode("utf-8", "replace")

        last = self._send("POST", "/api/pull", json.dumps({"model": name}), SILENCE_SECONDS, follow)
        if '"success"' not in last:
            raise OllamaError(
                f"pulling {name} ended with: {last[:300]}. 'file does not exist' means that the library "
                "has no model of this name: correct it in ragdock_models. Else the host has no way out to "
                "the library: set `source: files` for this model and give its files."
            )


class Puller:
    """A container like the serving one, on a network with a way out, which exists only during a pull."""

    NAME = "ragdock-ollama-pull"

    def __init__(self, run: Run, serving: dict[str, Any], network: str) -> None:
        self._run = run
        self._serving = serving
        self._network = network

    def command(self) -> list[str]:
        """`docker run` of the same image, user, environment and mounts as the serving container."""
        config, host = self._serving["Config"], self._serving["HostConfig"]
        command = ["docker", "run", "--detach", "--rm", "--name", self.NAME, "--network", self._network]
        command += ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"]
        command += ["--user", config["User"], "--memory", str(host["Memory"]), "--pids-limit", "256"]
        command += [part for target in host.get("Tmpfs") or {} for part in ("--tmpfs", target)]
        for mount in self._serving["Mounts"]:
            if mount["Type"] in ("bind", "volume"):
                source = mount["Source"] if mount["Type"] == "bind" else mount["Name"]
                command += ["--volume", f"{source}:{mount['Destination']}"]
        # Its start must not remove what the serving container is using.
        for setting in [*(config.get("Env") or []), "OLLAMA_NOPRUNE=1"]:
            command += ["--env", setting]
        return [*command, self._serving["Image"]]

    def pull(self, name: str) -> None:
        """Pull one model into the directory that the serving container reads."""
        # Left by an earlier run that was killed.
        self._run(["docker", "rm", "--force", self.NAME])
        code, _unused, err = self._run(self.command())
        if code != 0:
            raise OllamaError(f"the pulling container did not start: {err.strip()[-300:]}")
        try:
            ollama = Ollama(address(inspect(self._run, self.NAME)[0]))
            self._answers(ollama)
            ollama.pull(name)
        finally:
            self._run(["docker", "rm", "--force", self.NAME])

    @staticmethod
    def _answers(ollama: Ollama) -> None:
        until = time.monotonic() + START_SECONDS
        while True:
            try:
                ollama.served()
                return
            except OllamaError:
                if time.monotonic() > until:
                    raise
                time.sleep(0.3)
