"""Checks of what the services answer: the endpoint, OpenSearch, the models."""

from __future__ import annotations

import http.client
import json
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.ragdock.host.plugins.module_utils.docker import address, docker
from ansible_collections.ragdock.host.plugins.module_utils.endpoint import Certificate, PublicEndpoint
from ansible_collections.ragdock.host.plugins.module_utils.https import Reply
from ansible_collections.ragdock.host.plugins.module_utils.ollama import PORT as OLLAMA_PORT
from ansible_collections.ragdock.host.plugins.module_utils.ollama import Ollama
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.client import OpenSearch
from ansible_collections.ragdock.host.plugins.module_utils.opensearch.security import API, AUTHINFO
from ansible_collections.ragdock.host.plugins.module_utils.remote import CHAT, Remote, identities
from ansible_collections.ragdock.host.plugins.module_utils.remote import PORT as REMOTE_PORT
from ansible_collections.ragdock.host.plugins.module_utils.verify.checks import (
    REMOTE,
    Deployment,
    Row,
    judged,
)

ENDPOINT = "endpoint"
SEARCH = "opensearch"
MODELS = "models"
LOCAL = "127.0.0.1"
# Where the edge has our own authority, or the private one that issues its certificates.
AUTHORITIES = {"/etc/edge-ca": "edge_ca_cert", "/etc/caddy": "acme-ca.pem"}
ISSUED_BY_ACME = "issuer acme "
REFUSED_BY_ACME = "; the ACME authority refuses this address or does not answer (docs/operate/domains.md)"
USERS = {"ragdock_app": "rag-app", "ragdock_worker": "rag-worker"}
# What services/opensearch/Dockerfile leaves of upstream's plugins.
PLUGINS = frozenset(
    {"opensearch-job-scheduler", "opensearch-knn", "opensearch-neural-search", "opensearch-security"}
)
PLUGINS_AT = "/usr/share/opensearch/plugins"
NOBODY = "ragdock-verify-no-such-document"
# Each would change a model or reach another machine; without a body none does, even if it is allowed.
REFUSED = (
    ("POST", "/api/pull"), ("POST", "/api/push"), ("POST", "/api/create"), ("POST", "/api/copy"),
    ("DELETE", "/api/delete"), ("POST", "/api/generate"), ("POST", "/api/chat/../pull"),
    ("POST", "//api/pull"),
)  # fmt: skip
# Other paths on a model's server, other spellings of the allowed path, other servers. None has a body.
REFUSED_REMOTE = (
    ("GET", "/{slug}/chat/completions"), ("GET", "/{slug}/models"), ("POST", "/{slug}/models"),
    ("POST", "/{slug}/completions"), ("POST", "/{slug}/files"), ("DELETE", "/{slug}/models"), ("POST", "/"),
    ("POST", "/{slug}/chat/completions?x=1"), ("POST", "//{slug}/chat/completions"),
    ("POST", "/{slug}/chat/../chat/completions"), ("POST", "/{slug}/%63hat/completions"),
    ("POST", "https://example.com/v1/chat/completions"), ("GET", "http://169.254.169.254/latest/meta-data/"),
    ("CONNECT", "example.com:443"),
)  # fmt: skip
INDEX_FITS = "index holds vectors of the embedder that runs"
REPAIR = "Run playbooks/deploy.yml: it repairs users, roles and mappings."
LOGS = "`docker compose -p ragdock logs --tail 50 {}` on the host shows why."


def _mounts(deployment: Deployment) -> dict[str, str]:
    """Where the edge's directories are on the host."""
    return {mount["Destination"]: mount["Source"] for mount in deployment.of("edge")["Mounts"]}


def endpoint_ca(deployment: Deployment) -> str:
    """Authorities of the endpoint's certificate that the system does not know, as PEM."""
    sources = _mounts(deployment)
    files = [Path(sources[seen], file) for seen, file in AUTHORITIES.items() if seen in sources]
    return "".join(path.read_text(encoding="utf-8") for path in files if path.is_file())


def refused(deployment: Deployment, certificate: Certificate) -> str:
    """Why the endpoint has a certificate of the own CA although an ACME authority should issue it."""
    configuration = Path(_mounts(deployment)["/etc/caddy"], "Caddyfile").read_text(encoding="utf-8")
    return REFUSED_BY_ACME if certificate.own and ISSUED_BY_ACME in configuration else ""


def endpoint(deployment: Deployment) -> Iterator[Row]:
    """TLS, redirect, pages, API, refusals, at the host's own port 443."""
    name, ca = deployment.name, endpoint_ca(deployment)
    asked = PublicEndpoint(name, LOCAL, 443, ca, deployment.secret("rag-app", "api_token"))
    limit = deployment.timeout
    certificate = asked.certificate(limit)
    figure = f"{certificate}{refused(deployment, certificate)}"
    renewed = certificate.enough(datetime.now(UTC))
    yield Row(ENDPOINT, f"certificate of {name} verifies", renewed, figure, LOGS.format("edge"))

    began = time.monotonic()
    landing = asked.ask("GET", "/", timeout=limit)
    seconds = time.monotonic() - began
    hsts = landing.headers.get("strict-transport-security", "")
    yield Row(ENDPOINT, "HSTS is sent", "max-age=" in hsts, hsts or "not sent", LOGS.format("edge"))
    yield Row(ENDPOINT, "plain HTTP is sent to HTTPS", *_redirect(name, limit), LOGS.format("edge"))
    page = landing.status == 200 and b"<html" in landing.body.lower()
    yield Row(
        ENDPOINT, "landing page answers", page, f"{landing.status} in {seconds:.2f} s", LOGS.format("landing")
    )

    app = LOGS.format("rag-app")
    for path in ("/login", "/api/health"):
        reply = asked.ask("GET", path, timeout=limit, token="")
        yield Row(ENDPOINT, f"{path} answers", reply.status == 200, str(reply.status), app)
    offers = [
        f"{what} was answered {reply.excerpt()[:80]}"
        for what, reply in (
            ("a wrong token", asked.ask("GET", "/api/status", timeout=limit, token=secrets.token_hex(24))),
            ("no token", asked.ask("GET", "/api/documents", timeout=limit, token="")),
        )
        if reply.status != 401
    ]
    yield judged(ENDPOINT, "a wrong token and none are refused", offers, "401, 401", app)
    status = asked.ask("GET", "/api/status", timeout=limit)
    documents = status.json().get("documents", {})
    figure = ", ".join(f"{count} {state}" for state, count in documents.items()) or status.excerpt()[:120]
    yield Row(ENDPOINT, "the token opens /api/status", status.status == 200, figure, app)


def _redirect(name: str, limit: float) -> tuple[bool, str]:
    connection = http.client.HTTPConnection(LOCAL, 80, timeout=limit)
    try:
        connection.request("GET", "/", headers={"Host": name})
        answer = connection.getresponse()
        where = answer.getheader("Location") or ""
    finally:
        connection.close()
    return answer.status in (301, 308) and where.startswith("https://"), f"{answer.status} {where}".strip()


class _Search:
    """OpenSearch, as a given user."""

    def __init__(self, deployment: Deployment) -> None:
        self._ca = deployment.secret("rag-app", "opensearch_ca")
        self._host = address(deployment.of("opensearch"))
        self._limit = deployment.timeout
        self.index = deployment.env["OPENSEARCH_INDEX"]

    def ask(self, method: str, path: str, user: str = "", password: str = "", value: Any = None) -> Reply:
        """Send one request; without a user, an anonymous one."""
        node = OpenSearch.as_user(self._host, self._ca, user, password)
        return node.send(method, path, value, seconds=self._limit)


def search_engine(deployment: Deployment) -> Iterator[Row]:
    """Security, health, rights: tried with requests that change nothing even if they are allowed."""
    search = _Search(deployment)
    anonymous = search.ask("GET", "/_cluster/health")
    figure = str(anonymous.status)
    yield Row(SEARCH, "anonymous requests are refused", anonymous.status == 401, figure, REPAIR)
    passwords = {user: deployment.secret(service, "opensearch_password") for user, service in USERS.items()}
    health = search.ask("GET", "/_cluster/health", "ragdock_app", passwords["ragdock_app"])
    colour = str(health.json().get("status", health.excerpt()))
    yield Row(
        SEARCH, "cluster is green or yellow", colour in ("green", "yellow"), colour, LOGS.format("opensearch")
    )

    wrong = []
    for user, password in passwords.items():
        info = search.ask("GET", AUTHINFO, user, password)
        roles = info.json().get("roles")
        if roles != [user]:
            wrong.append(f"{user} has {roles or info.excerpt()}")
    # An update of a document that does not exist: 403 without the right, 404 with it.
    update = f"/{search.index}/_update/{NOBODY}"
    write = search.ask("POST", update, "ragdock_app", passwords["ragdock_app"], {"doc": {"title": "-"}})
    if write.status != 403:
        wrong.append(f"ragdock_app may write ({write.status})")
    other = search.ask("DELETE", f"/{NOBODY}", "ragdock_worker", passwords["ragdock_worker"])
    if other.status != 403:
        wrong.append(f"ragdock_worker may delete other indices ({other.status})")
    users = search.ask("GET", f"{API}/internalusers", "ragdock_worker", passwords["ragdock_worker"])
    if users.status not in (401, 403):
        wrong.append(f"ragdock_worker may read users ({users.status})")
    yield judged(
        SEARCH, "each client has only its own permissions", wrong, "5 unauthorised requests refused", REPAIR
    )


def plugins(deployment: Deployment) -> Iterator[Row]:
    """OpenSearch loads exactly the plugins in its directory, which nothing can write to."""
    said = docker(deployment.run, "exec", deployment.of("opensearch")["Id"], "ls", PLUGINS_AT)
    loaded = set(said.split())
    wrong = [f"{name} is not wanted" for name in sorted(loaded - PLUGINS)]
    wrong += [f"{name} is missing" for name in sorted(PLUGINS - loaded)]
    figure = ", ".join(sorted(name.removeprefix("opensearch-") for name in loaded))
    hint = "Run playbooks/deploy.yml: services/opensearch/Dockerfile says which plugins the image has."
    yield judged(SEARCH, "exactly the plugins that are used are loaded", wrong, figure, hint)


def models(deployment: Deployment) -> Iterator[Row]:
    """Models named in the settings are present, and the index was made with the embedder that runs."""
    ollama = Ollama(address(deployment.of("ollama")))
    served = ollama.served()
    keys = ("OLLAMA_MODEL", "OLLAMA_FALLBACK_MODEL", "EMBEDDING_MODEL_NAME")
    elsewhere = identities(deployment.remote_models)
    named = {deployment.env[key] for key in keys if deployment.env.get(key)}
    wanted = sorted(named - set(elsewhere))
    missing = [f"{name} is missing" for name in wanted if not served.get(name)]
    missing += [] if named else ["no model is named in the release's .env"]
    record = deployment.root / "state" / "models.json"
    made = json.loads(record.read_text(encoding="utf-8")) if record.is_file() else {}
    changed = [
        f"{name} is not what was deployed"
        for name in wanted
        if served.get(name) and served.get(name) != made.get(name, {}).get("digest")
    ]
    hint = "Run playbooks/deploy.yml: it restores the models."
    yield judged(
        MODELS, "configured models are present, as deployed", missing + changed, ", ".join(wanted), hint
    )

    search = _Search(deployment)
    password = deployment.secret("rag-app", "opensearch_password")
    mapping = search.ask("GET", f"/{search.index}/_mapping", "ragdock_app", password)
    if mapping.status == 404:
        yield Row(MODELS, INDEX_FITS, True, "no index yet: made with the first document")
        return
    first: dict[str, Any] = next(iter(mapping.json().values()), {})
    contract = first.get("mappings", {}).get("_meta", {}).get("embedding", {})
    embedder = deployment.env["EMBEDDING_MODEL_NAME"]
    # The weights of a model elsewhere are unknown: only its name on its server can be compared.
    weights = elsewhere.get(embedder) or ollama.weights(embedder)
    yield index_row(contract, embedder, weights, lambda: _rebuilding(deployment))


def index_row(
    contract: dict[str, Any], embedder: str, weights: str, rebuilding: Callable[[], int | None]
) -> Row:
    """Compare the serving index with the embedder. Another one's index passes while a new one is built."""
    figure = (
        f"{contract.get('model')}, {contract.get('dimension')} dimensions, {str(contract.get('digest'))[:12]}"
    )
    if contract.get("digest") == weights and contract.get("model") == embedder:
        return Row(MODELS, INDEX_FITS, True, figure)
    left = rebuilding()
    if left is not None:
        return Row(MODELS, INDEX_FITS, True, f"{figure}; being rebuilt for {embedder}, {left} documents left")
    hint = f"The embedder is {weights[:12]} now: restore the old model, or ingest into a new index."
    return Row(MODELS, INDEX_FITS, False, figure, hint)


def _rebuilding(deployment: Deployment) -> int | None:
    """Documents that the index being built still lacks; None if none is being built."""
    token = deployment.secret("rag-app", "api_token")
    asked = PublicEndpoint(deployment.name, LOCAL, 443, endpoint_ca(deployment), token)
    left = (asked.ask("GET", "/api/status", timeout=deployment.timeout).json().get("ingestion") or {}).get(
        "rebuilding"
    )
    return None if left is None else int(left)


def model_proxy(deployment: Deployment) -> Iterator[Row]:
    """Services reach Ollama only through its proxy, which refuses everything that changes a model."""
    at = address(deployment.of("models"))

    def status(method: str, path: str) -> int:
        connection = http.client.HTTPConnection(at, OLLAMA_PORT, timeout=deployment.timeout)
        try:
            connection.request(method, path)
            return connection.getresponse().status
        finally:
            connection.close()

    passed = [
        f"{method} {path} was answered {got}"
        for method, path in REFUSED
        if (got := status(method, path)) != 403
    ]
    if (got := status("GET", "/api/tags")) != 200:
        passed.append(f"GET /api/tags was answered {got}")
    figure = f"{len(REFUSED)} requests refused, /api/tags answered"
    hint = "Correct compose/models/Caddyfile.j2 and run playbooks/deploy.yml."
    yield judged(MODELS, "services cannot pull, change or delete models", passed, figure, hint)


def remote_proxy(deployment: Deployment) -> Iterator[Row]:
    """Services reach the models that run elsewhere and nothing else: tried with what must be refused."""
    if not deployment.remote_models:
        return
    remote = Remote(address(deployment.of(REMOTE)), deployment.timeout)
    slug, names = deployment.remote_models[0]["slug"], {one["host"] for one in deployment.remote_models}
    tried = [
        (method, target.format(slug=slug), f"{REMOTE}:{REMOTE_PORT}") for method, target in REFUSED_REMOTE
    ]
    tried += [("POST", f"/{slug}{CHAT}", host) for host in ("example.com", *sorted(names))]
    passed = [
        f"{method} {target} to {host} was answered {got}"
        for method, target, host in tried
        if (got := remote.status(method, target, host)) != 403
    ]
    figure = f"{len(tried)} requests refused; open are the models at {', '.join(sorted(names))}"
    hint = "Correct compose/remote/Caddyfile.j2 and run playbooks/deploy.yml."
    yield judged(MODELS, "services reach models elsewhere and nothing else", passed, figure, hint)
