"""A throwaway OpenSearch beside the live one: the same image, an isolated network, the lowest priority.

It runs without the security plugin: only this host's root reaches it, since its network is internal, it
publishes no port and it lives for minutes. When memory runs out, the kernel kills it before any container of
the stack.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.ragdock.host.plugins.module_utils.docker import Engine, EngineError
from ansible_collections.ragdock.host.plugins.module_utils.restore.node import Node

LABEL = "ragdock.throwaway"
PURPOSE = "drill"
NAME = "ragdock-drill"
HOME = "/usr/share/opensearch"
UID = 1000
START_SECONDS = 600.0
# After this time it ends by itself, if the process that started it was killed.
LONGEST_SECONDS = 4 * 3600
# Memory that stays free for the stack when the throwaway node has taken all of its own.
MARGIN_MIB = 512
SETTINGS = """\
cluster.name: ragdock-drill
node.name: drill
network.host: 0.0.0.0
discovery.type: single-node
path.data: /usr/share/opensearch/data
path.logs: /usr/share/opensearch/logs
path.repo: [/snapshots]
cluster.routing.allocation.disk.threshold_enabled: false
plugins.security.disabled: true
"""


def available_mib(meminfo: str) -> int:
    """The memory that can be used without swapping."""
    sizes = {line.split(":")[0]: int(line.split()[1]) for line in meminfo.splitlines() if ":" in line}
    return sizes["MemAvailable"] // 1024


def memory_refusal(needed: int, available: int) -> str:
    """Why a drill may not start; empty when it may."""
    if available - needed >= MARGIN_MIB:
        return ""
    return (
        f"The drill's OpenSearch may use {needed} MiB (ragdock_drill_memory_mib), {MARGIN_MIB} MiB stay for "
        f"the stack, but {available} MiB of memory are available: the drill would starve what serves. Lower "
        "ragdock_drill_memory_mib (512 is the least), choose a larger ragdock_instance_type, or drill at an "
        "hour when less runs (ragdock_schedule_*)."
    )


@dataclass(frozen=True)
class Throwaway:
    """The node and everything around it."""

    engine: Engine
    place: Path
    image: str
    memory_mib: int
    config: Path

    def sweep(self) -> list[str]:
        """Remove what a drill left, this one or a killed one; returns what was there."""
        swept = []
        for kind, words in (("container", ("ps", "--all")), ("network", ("network", "ls"))):
            listed = self.engine.run(*words, "--quiet", "--filter", f"label={LABEL}={PURPOSE}").stdout.split()
            for one in listed:
                force = ["--force"] if kind == "container" else []
                self.engine.run(kind, "rm", *force, one, check=False, timeout=120)
                swept.append(f"{kind} {one[:12]}")
        if self.place.exists():
            shutil.rmtree(self.place)
            swept.append(str(self.place))
        return swept

    @contextlib.contextmanager
    def started(self, snapshots: Path) -> Iterator[Node]:
        """The node, with a directory of snapshots that it can only read."""
        data, config = self.place / "data", self.place / "opensearch.yml"
        data.mkdir(mode=0o700)
        shutil.chown(data, UID, UID)
        # Other users cannot enter the parent directory, but a mount of this file does not go through it.
        config.write_text(SETTINGS, encoding="utf-8")
        config.chmod(0o644)
        mark = f"{LABEL}={PURPOSE}"
        self.engine.run(*self.network(mark))
        self.engine.run(*self.command(data, config, snapshots, mark), timeout=120)
        try:
            node = Node.throwaway(self._address())
            try:
                node.ready(START_SECONDS)
            except Exception as error:
                log = self.engine.run("logs", "--tail", "8", NAME, check=False)
                text = log.stdout + log.stderr
                raise EngineError(
                    f"the throwaway OpenSearch did not start: {error}. The end of its log:\n{text}"
                ) from error
            yield node
        finally:
            self.engine.run("rm", "--force", NAME, check=False, timeout=120)

    def network(self, mark: str) -> list[str]:
        """The arguments of `docker network` for an internal network, which has no way out."""
        return ["network", "create", "--internal", "--label", mark, NAME]

    def command(self, data: Path, config: Path, snapshots: Path, mark: str) -> list[str]:
        """The arguments of `docker run`."""
        heap = self.memory_mib // 2
        mounts = {
            f"{data}": f"{HOME}/data",
            f"{snapshots}": "/snapshots:ro",
            f"{config}": f"{HOME}/config/opensearch.yml:ro",
            f"{self.config}/jvm.options": f"{HOME}/config/jvm.options:ro",
            f"{self.config}/log4j2.properties": f"{HOME}/config/log4j2.properties:ro",
        }
        options = [
            "--detach", "--rm", "--pull=never", f"--name={NAME}", f"--label={mark}", f"--network={NAME}",
            f"--user={UID}:{UID}", "--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges:true",
            f"--memory={self.memory_mib}m", f"--memory-swap={self.memory_mib}m", "--pids-limit=1024",
            "--cpus=1", "--cpu-shares=256", "--oom-score-adj=1000", "--log-opt=max-size=1m",
            f"--tmpfs={HOME}/config:uid={UID},gid={UID},mode=0750,size=1m",
            f"--tmpfs={HOME}/logs:uid={UID},gid={UID},mode=0750,size=16m",
            "--tmpfs=/tmp:exec,nosuid,nodev,mode=1777,size=128m",
            "--env=DISABLE_INSTALL_DEMO_CONFIG=true", "--env=DISABLE_SECURITY_PLUGIN=true",
            "--env=DISABLE_PERFORMANCE_ANALYZER_AGENT_CLI=true",
            f"--env=OPENSEARCH_JAVA_OPTS=-Xms{heap}m -Xmx{heap}m",
        ]  # fmt: skip
        binds = [f"--volume={host}:{inside}" for host, inside in mounts.items()]
        entry = f"{HOME}/opensearch-docker-entrypoint.sh"
        ends = ["--entrypoint=timeout", self.image, str(LONGEST_SECONDS), entry, "opensearch"]
        return ["run", *options, *binds, *ends]

    def _address(self) -> str:
        found = json.loads(self.engine.run("container", "inspect", NAME).stdout)[0]
        return str(found["NetworkSettings"]["Networks"][NAME]["IPAddress"])
