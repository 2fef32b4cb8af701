#!/usr/bin/python
"""Ansible module: smoke test of the deployed stack, through the public endpoint."""

from __future__ import annotations

DOCUMENTATION = r"""
---
module: smoke_test
short_description: Tests that the stack answers, through the public endpoint
description:
  - First the endpoint must show a certificate; an edge that waits for its first one is given time.
  - The light test only reads the landing page, the login page, health and status over a verified
    certificate.
  - The full test adds a canary document, waits until the worker has indexed it, asks a question that only
    the canary can answer, requires that it is cited, deletes it and checks that it is gone.
  - It passes with a note when the fallback model answers in place of a remote one, or when new documents
    wait until a new index is built and a search by words answers. A rollback would help with neither.
  - In check mode the light test runs.
options:
  name: {description: Public name or address; the certificate must be for it., type: str, required: true}
  address: {description: Where to connect., type: str, default: 127.0.0.1}
  port: {description: Port of the endpoint., type: int, default: 443}
  ca: {description: PEM of authorities to trust beside the system's., type: str, default: ""}
  token: {description: Bearer token of the API., type: str, required: true}
  story: {description: Which test to run., type: str, choices: [light, full], default: full}
  timeout: {description: Seconds that indexing and answering may each take., type: int, default: 180}
extends_documentation_fragment:
  - ragdock.host.arguments.project
author: ["Ragdock (!UNKNOWN)"]
"""

EXAMPLES = r"""
- name: Run the smoke test
  ragdock.host.smoke_test:
    name: "{{ stack_public_address }}"
    ca: "{{ stack_edge_ca }}"
    token: "{{ stack_api_token }}"
"""

RETURN = r"""
certificate: {description: Who issued the endpoint's certificate., returned: success, type: str}
figures: {description: Seconds of each step., returned: always, type: dict}
notes: {description: What the test could not check although it passed., returned: success, type: list}
own_ca: {description: Whether the deployment's own CA issued it., returned: success, type: bool}
story: {description: The test that ran., returned: always, type: str}
status: {description: What /api/status answered., returned: success, type: dict}
step: {description: The step that failed., returned: failure, type: str}
"""

import json
import re
import secrets
import ssl
import time
from http import HTTPStatus
from typing import Any, NoReturn

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.ragdock.host.plugins.module_utils.arguments import arguments
from ansible_collections.ragdock.host.plugins.module_utils.endpoint import (
    Certificate,
    PublicEndpoint,
    Stopwatch,
    multipart,
)
from ansible_collections.ragdock.host.plugins.module_utils.https import Reply, UnreachableError

REQUEST_SECONDS = 15.0
POLL_SECONDS = 0.25
# Asked in turn until one answer cites: a small model answers one of them, and a chat model on a busy
# host may run into its time limit once.
QUESTIONS = (
    "Where does the deployment canary {word} live?",
    "What does its keeper feed {word} every morning?",
    "In which tower of the harbour does {word} live?",
    "When does the keeper feed {word}?",
)
CANARY = re.compile(r"canary[0-9a-f]{16}\.md")
FALLBACK = "fallback_model"
DELETED = (HTTPStatus.OK, HTTPStatus.ACCEPTED, HTTPStatus.NO_CONTENT, HTTPStatus.NOT_FOUND)


def names(answer: dict[str, Any], where: str) -> list[str]:
    """The documents named in a list of an answer."""
    return [str(one.get("document", "")) for one in answer.get(where) or []]


class SmokeTestError(Exception):
    """A failed step: its name, the answer, and what to check."""

    def __init__(self, step: str, answered: str, look: str) -> None:
        super().__init__(f"step '{step}' failed: {answered}. Check: {look}")
        self.step = step
        self.answered = answered
        self.look = look


class SmokeTest:
    """The steps, in order. Each raises SmokeTestError when it fails."""

    def __init__(self, endpoint: PublicEndpoint, timeout: float, project: str) -> None:
        self.endpoint = endpoint
        self.timeout = timeout
        self.project = project
        self.watch = Stopwatch()
        self.status: dict[str, Any] = {}
        self.notes: list[str] = []
        self.canary: str | None = None
        self.shown: Certificate | None = None

    def logs(self, *services: str) -> str:
        """The command that shows the logs of services."""
        return f"`docker compose -p {self.project} logs --tail 50 {' '.join(services)}` on the host"

    def _ask(self, step: str, look: str, method: str, path: str, **more: Any) -> Reply:
        more.setdefault("timeout", REQUEST_SECONDS)
        try:
            return self.endpoint.ask(method, path, **more)
        except UnreachableError as error:
            raise SmokeTestError(step, str(error), look) from error

    def _want(self, step: str, look: str, method: str, path: str, status: int, **more: Any) -> Reply:
        reply = self._ask(step, look, method, path, **more)
        if reply.status != status:
            raise SmokeTestError(
                step,
                f"{method} {self.endpoint.url(path)} answered {reply.excerpt()}, expected {status}",
                look,
            )
        return reply

    def _certificate(self) -> None:
        """Wait for the endpoint's certificate; until the first is issued, the edge ends each handshake."""
        until = time.monotonic() + self.timeout
        while self.shown is None:
            try:
                self.shown = self.endpoint.certificate(REQUEST_SECONDS)
            except ssl.SSLCertVerificationError:
                # The first request will report this.
                return
            except ssl.SSLError as error:
                if time.monotonic() > until:
                    raise SmokeTestError(
                        "certificate", f"there is none after {self.timeout:.0f} s: {error}", self.logs("edge")
                    ) from error
                time.sleep(POLL_SECONDS)
            except OSError:
                return
        self.watch.lap("certificate")

    def light(self) -> None:
        """Landing page, login page, health, status with the token and a refusal of a wrong one."""
        self._certificate()
        edge = self.logs("edge")
        landing = self._want("landing page", self.logs("edge", "landing"), "GET", "/", 200)
        if b"<html" not in landing.body.lower():
            raise SmokeTestError(
                "landing page", f"GET / answered no HTML: {landing.excerpt()}", self.logs("landing")
            )
        self.watch.lap("landing")
        app = self.logs("edge", "rag-app")
        self._want("health", app, "GET", "/api/health", 200, token="")
        self._want("login page", app, "GET", "/login", 200, token="")
        self.watch.lap("app")
        refused = self._ask("wrong token", app, "GET", "/api/status", token=f"wrong-{secrets.token_hex(8)}")
        if refused.status not in (401, 403):
            raise SmokeTestError(
                "wrong token", f"a wrong token was answered {refused.excerpt()}, expected 401", app
            )
        status = self._want("status", app, "GET", "/api/status", 200)
        self.status = status.json()
        if "strict-transport-security" not in landing.headers:
            raise SmokeTestError("HSTS", "the landing page came without Strict-Transport-Security", edge)
        self.watch.lap("status")

    def full(self) -> None:
        """A document is indexed by the worker, an answer cites it, and it is deleted."""
        self._sweep()
        word = f"canary{secrets.token_hex(8)}"
        try:
            self._upload(word)
            if self._indexed():
                self._answered(word)
            else:
                self._searched(word)
        except SmokeTestError as error:
            raise SmokeTestError(
                error.step, f"{error.answered}{self._leave_nothing()}", error.look
            ) from error
        self._delete()
        self._gone(word)

    def _sweep(self) -> None:
        """Delete canaries that a killed smoke test left behind."""
        app = self.logs("rag-app")
        listed = self._want("leftovers", app, "GET", "/api/documents", 200).json().get("documents", [])
        for one in listed:
            if CANARY.fullmatch(str(one.get("name", ""))):
                self._ask("leftovers", app, "DELETE", f"/api/documents/{one.get('id')}")

    def _leave_nothing(self) -> str:
        """Delete the canary after a failure; returns a note for the message when that fails as well."""
        if self.canary is None:
            return ""
        try:
            self._delete()
        except SmokeTestError as error:
            return f" (and the canary {self.canary} could not be deleted: {error.answered})"
        return ""

    def _upload(self, word: str) -> None:
        text = (
            f"# Deployment canary {word}\n\n"
            f"The deployment canary {word} lives in the north tower of the harbour. "
            f"Its keeper feeds {word} every morning at seven with millet and fresh water.\n"
        )
        body, content_type = multipart("file", f"{word}.md", text.encode(), "text/markdown")
        app = self.logs("rag-app")
        reply = self._want("upload", app, "POST", "/api/documents", 202, body=body, content_type=content_type)
        identity = reply.json().get("id")
        if identity in (None, ""):
            raise SmokeTestError("upload", f"the answer names no id: {reply.excerpt()}", app)
        self.canary = str(identity)
        self.watch.lap("upload")

    def _indexed(self) -> bool:
        """Wait for the worker; False: it waits itself, until it has built a new index."""
        look = self.logs("rag-worker", "opensearch", "ollama")
        until = time.monotonic() + self.timeout
        seen = "nothing"
        while time.monotonic() < until:
            reply = self._want("indexing", look, "GET", f"/api/documents/{self.canary}", 200)
            document = reply.json()
            seen = str(document.get("state"))
            if seen == "ready":
                self.watch.lap("indexed")
                return True
            if seen == "failed":
                raise SmokeTestError(
                    "indexing", f"the canary was not accepted: {document.get('reason')}", look
                )
            time.sleep(POLL_SECONDS)
        if seen == "queued" and self._rebuilding(look):
            return False
        raise SmokeTestError("indexing", f"the canary was still '{seen}' after {self.timeout:.0f} s", look)

    def _rebuilding(self, look: str) -> bool:
        """Whether a new index is being built. Without the old one's embedder, new documents wait for it."""
        now = self._want("indexing", look, "GET", "/api/status", 200).json().get("ingestion") or {}
        if now.get("rebuilding") is None:
            return False
        paused = f" It is paused: {now['paused']}." if now.get("paused") else ""
        self.notes.append(
            f"The canary was not read in {self.timeout:.0f} s, because a new index is being built"
            f" ({now['rebuilding']} documents left).{paused} Until it serves, questions are searched by words"
            " alone; no model was tested. playbooks/status.yml shows the progress."
        )
        return True

    def _searched(self, word: str) -> None:
        query = json.dumps({"query": word, "top_k": 5}).encode()
        self._want("search", self.logs("rag-app", "opensearch"), "POST", "/api/search", 200, body=query)
        self.watch.lap("searched")

    def _answered(self, word: str) -> None:
        look = self.logs("rag-app", "ollama", "opensearch")
        said = ""
        given: dict[str, Any] | None = None
        for question in QUESTIONS:
            # Only the best passage, so that a small model does not answer from other documents.
            body = json.dumps({"question": question.format(word=word), "top_k": 1}).encode()
            reply = self._want("answer", look, "POST", "/api/ask", 200, body=body, timeout=self.timeout)
            answer = reply.json()
            cited = names(answer, "citations")
            if answer.get("degraded") and not self._failed_elsewhere(answer):
                said = f"the answer is a degraded one: {answer.get('reason') or reply.excerpt()}"
            elif any(word in name for name in cited):
                self._note_fallback(answer)
                self.watch.lap("answered")
                return
            else:
                if any(word in name for name in names(answer, "passages")):
                    given = answer
                said = f"the answer does not cite {word}.md but {cited or 'nothing'}: {reply.excerpt()}"
        # A model that answered from the canary's passage, but in words that no sentence of it supports, is a
        # weak model and not a broken release: a rollback would not fix it.
        if given is None:
            raise SmokeTestError("answer", said, look)
        self._note_fallback(given)
        self.watch.lap("answered_uncited")

    def _failed_elsewhere(self, answer: dict[str, Any]) -> bool:
        """Whether the fallback model answered because a remote model did not."""
        remote = {str(one[key]) for one in self.status.get("remote_models", ()) for key in ("name", "host")}
        remarks = " ".join(answer.get("remarks") or ())
        return answer.get("reason") == FALLBACK and any(name in remarks for name in remote)

    def _note_fallback(self, answer: dict[str, Any]) -> None:
        """Note that not the first model answered: its host is stopped, or its tokens are used up."""
        if answer.get("degraded"):
            self.notes.append(f"The fallback model {answer['model']} answered. {' '.join(answer['remarks'])}")

    def _delete(self) -> None:
        app = self.logs("rag-app")
        reply = self._ask("deletion", app, "DELETE", f"/api/documents/{self.canary}")
        if reply.status not in DELETED:
            raise SmokeTestError(
                "deletion", f"DELETE of document {self.canary} answered {reply.excerpt()}", app
            )

    def _gone(self, word: str) -> None:
        look = self.logs("rag-worker", "rag-app")
        until = time.monotonic() + self.timeout
        seen = ""
        while time.monotonic() < until:
            reply = self._ask("deletion", look, "GET", f"/api/documents/{self.canary}")
            seen = reply.excerpt()
            if reply.status == HTTPStatus.NOT_FOUND:
                self._unfindable(word, look)
                self.watch.lap("deleted")
                return
            time.sleep(POLL_SECONDS)
        raise SmokeTestError(
            "deletion", f"the canary is still there after {self.timeout:.0f} s: {seen}", look
        )

    def _unfindable(self, word: str, look: str) -> None:
        query = json.dumps({"query": word, "top_k": 5}).encode()
        results = (
            self._want("deletion", look, "POST", "/api/search", 200, body=query).json().get("results", [])
        )
        if any(word in str(one.get("document", "")) for one in results):
            raise SmokeTestError("deletion", f"search still finds {word}.md after its deletion", look)


def fail(module: AnsibleModule, story: SmokeTest, mode: str, error: SmokeTestError) -> NoReturn:
    """Fail with the step and the figures so far."""
    module.fail_json(
        msg=f"Smoke test through https://{story.endpoint.name} failed: {error}",
        step=error.step,
        story=mode,
        figures=story.watch.seconds,
    )


def main() -> None:
    """Run the smoke test."""
    module = AnsibleModule(
        argument_spec=arguments("project")
        | {
            "name": {"type": "str", "required": True},
            "address": {"type": "str", "default": "127.0.0.1"},
            "port": {"type": "int", "default": 443},
            "ca": {"type": "str", "default": ""},
            "token": {"type": "str", "required": True, "no_log": True},
            "story": {"type": "str", "choices": ["light", "full"], "default": "full"},
            "timeout": {"type": "int", "default": 180},
        },
        supports_check_mode=True,
    )
    wanted = module.params
    mode = "light" if module.check_mode else wanted["story"]
    endpoint = PublicEndpoint(
        wanted["name"], wanted["address"], wanted["port"], wanted["ca"], wanted["token"]
    )
    story = SmokeTest(endpoint, float(wanted["timeout"]), wanted["project"])
    try:
        story.light()
        if mode == "full":
            story.full()
    except SmokeTestError as error:
        fail(module, story, mode, error)
    for note in story.notes:
        module.warn(note)
    shown = story.shown
    module.exit_json(
        changed=False,
        story=mode,
        figures=story.watch.seconds,
        notes=story.notes,
        status=story.status,
        certificate=str(shown or ""),
        own_ca=bool(shown and shown.own),
    )


if __name__ == "__main__":
    main()
