"""A real OpenSearch and a real Ollama for benchmarks, which can be killed and restarted.

As in a deployment, requests reach Ollama through its proxy, which has the deployment's own configuration.
Only the models are created directly, as `playbooks/deploy.yml` does, because the proxy refuses that.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import yaml

from bench.measuring import ROOT
from bench.measuring.containers import proportional
from rag_core import factory
from rag_core.ledger import Ledger
from rag_core.models import DocumentState
from rag_core.settings import RagSettings
from services.conftest import (
    EMBED_MODEL,
    MODELS,
    OLLAMA_IMAGE,
    OLLAMA_OPTIONS,
    OPENSEARCH_IMAGE,
    OPENSEARCH_OPTIONS,
    container,
    create_model,
    wait_for,
)

# The base image of services/edge/Dockerfile; the proxy's configuration needs neither its user nor its files.
CADDY_IMAGE = "caddy:2.11.4"
PROXY = ROOT / "compose" / "models" / "Caddyfile.j2"


@dataclass
class Stores:
    """Containers whose ports stay the same after a restart; `models` is the proxy in front of `ollama`."""

    opensearch: str
    ollama: str
    models: str
    names: dict[str, str]

    def kill(self, which: str, away: float) -> None:
        """SIGKILL the container, and start it again after `away` seconds."""
        subprocess.run(["docker", "kill", self.names[which]], check=True, capture_output=True)
        time.sleep(away)
        subprocess.run(["docker", "start", self.names[which]], check=True, capture_output=True)
        wait_for(getattr(self, which), self.names[which])


def limits(service: str) -> list[str]:
    """Return a deployment's resource limits for a service; half of OpenSearch's memory is its heap."""
    inventory, role, own = (
        yaml.safe_load((ROOT / file).read_text())
        for file in ("inventory/defaults.yml", "roles/stack/defaults/main.yml", "roles/stack/vars/main.yml")
    )
    memory, cpus = inventory["ragdock_memory_limits"][service], str(role["stack_cpu_limits"][service])
    weights = own["_stack_cpu_shares"]
    shares = weights.get(service, weights["others"])
    # The role computes Ollama's from the processors that preflight found.
    found = {"localhost": {"preflight_aws": {"processors": os.cpu_count()}}}
    cpus = jinja2.Environment(autoescape=False).from_string(cpus).render(hostvars=found)  # noqa: S701
    heap = f"-Xms{memory // 2}m -Xmx{memory // 2}m"
    asked = ["-e", f"OPENSEARCH_JAVA_OPTS={heap}"] if service == "opensearch" else []
    return [
        f"--memory={memory}m",
        f"--memory-swap={memory}m",
        f"--cpus={cpus}",
        f"--cpu-shares={shares}",
        *asked,
    ]


@contextmanager
def stores(*, limited: bool = False) -> Iterator[Stores]:
    """Start all three with the embedding model; `limited` applies a deployment's resource limits."""
    mark = uuid.uuid4().hex[:6]
    names = {name: f"bench-{mark}-{name}" for name in ("opensearch", "ollama", "models")}
    with ExitStack() as stack:
        network = stack.enter_context(_network(f"bench-{mark}"))
        opensearch = stack.enter_context(
            container(
                OPENSEARCH_IMAGE,
                9200,
                [*OPENSEARCH_OPTIONS, *(limits("opensearch") if limited else [])],
                name=names["opensearch"],
                published=free_port(),
            )
        )
        ollama = stack.enter_context(
            container(
                OLLAMA_IMAGE,
                11434,
                [
                    *("--network", network, "--network-alias", "runner", *OLLAMA_OPTIONS),
                    *(limits("ollama") if limited else []),
                ],
                name=names["ollama"],
                published=free_port(),
            )
        )
        configuration = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        made = jinja2.Environment(autoescape=False, trim_blocks=True).from_string(PROXY.read_text()).render()  # noqa: S701
        (configuration / "Caddyfile").write_text(made)
        models = stack.enter_context(
            container(
                CADDY_IMAGE,
                11434,
                [
                    *("--network", network, "-v", f"{configuration}:/etc/caddy:ro"),
                    *(limits("models") if limited else []),
                ],
                name=names["models"],
                published=free_port(),
                ready="/api/version",
            )
        )
        files = MODELS / "all-minilm"
        create_model(
            ollama, EMBED_MODEL, {str(f.relative_to(files)): f for f in files.rglob("*") if f.is_file()}
        )
        yield Stores(opensearch, ollama, models, names)


@contextmanager
def _network(name: str) -> Iterator[str]:
    """Create a network on which the proxy finds Ollama by the same name as in a deployment."""
    subprocess.run(["docker", "network", "create", name], check=True, capture_output=True)
    try:
        yield name
    finally:
        subprocess.run(["docker", "network", "rm", name], check=False, capture_output=True)


def free_port() -> int:
    """Return a free port on the loopback interface."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@dataclass
class Bench:
    """One index, one ledger, and one worker that can be killed and restarted."""

    stores: Stores
    home: Path
    index: str = field(default_factory=lambda: f"bench-{uuid.uuid4().hex[:6]}")
    process: subprocess.Popen[bytes] | None = None
    peak: float = 0.0

    @property
    def environment(self) -> dict[str, str]:
        """The worker's settings."""
        services = ROOT / "services"
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": f"{services / 'rag_core' / 'src'}:{services / 'rag-worker' / 'src'}",
            "OPENSEARCH_HOST": self.stores.opensearch,
            "OPENSEARCH_INDEX": self.index,
            "OLLAMA_BASE_URL": self.stores.models,
            "EMBEDDING_MODEL_NAME": EMBED_MODEL,
            "INGESTION_INPUT_DIR": str(self.home / "raw"),
            "INGESTION_POLL_SECONDS": "1",
            "LEDGER_PATH": str(self.home / "ledger.sqlite3"),
            "HEARTBEAT_PATH": str(self.home / "heartbeat"),
            # The stack's value for a worker with the default memory limit.
            "PARSE_MEMORY_MIB": "512",
        }

    @property
    def settings(self) -> RagSettings:
        """The same settings for this process."""
        values = {name.lower(): value for name, value in self.environment.items()}
        return RagSettings.model_validate({k: v for k, v in values.items() if k in RagSettings.model_fields})

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        """The worker's own ledger."""
        with closing(factory.build_ledger(self.settings)) as one:
            yield one

    def start(self) -> None:
        """Start the worker."""
        (self.home / "raw").mkdir(parents=True, exist_ok=True)
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "rag_worker", "run"],
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def stop(self, *, kill: bool = False) -> None:
        """Stop the worker with SIGTERM, or kill it."""
        if self.process is not None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
            self.process.wait(timeout=120)

    def look(self) -> float:
        """Return the memory (PSS) of the worker and its parser in MiB, and update the peak."""
        total = 0.0
        if self.process is not None and self.process.poll() is None:
            total = proportional(self.process.pid)
        self.peak = max(self.peak, total)
        return total

    def until_done(self, documents: int, timeout: float) -> float:
        """Wait until that many documents are ready or have failed; return the seconds it took."""
        began = time.monotonic()
        with self.ledger() as ledger:
            while True:
                counts = ledger.counts()
                self.look()
                done = counts[DocumentState.READY] + counts[DocumentState.FAILED]
                if done >= documents:
                    return time.monotonic() - began
                if time.monotonic() - began > timeout:
                    log = (self.home / "log").read_text()[-3000:]
                    raise TimeoutError(
                        f"{done} of {documents} done after {timeout:.0f} s; the log ends:\n{log}"
                    )
                time.sleep(0.3)

    def drop(self) -> None:
        """Remove the index."""
        request = urllib.request.Request(f"{self.stores.opensearch}/{self.index}-*", method="DELETE")  # noqa: S310
        urllib.request.urlopen(request, timeout=60).close()  # noqa: S310
