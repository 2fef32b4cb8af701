"""Compare Open WebUI with the deployed stack: same machine, Ollama, models, documents and questions.

    make bench BENCH=peers [ARGS=few]      few: 24 documents and 68 questions in place of nine whole manuals

Needs a deployed sandbox, and 10 GB on the disk. Open WebUI is installed from PyPI by
bench/peers/requirements.txt into .sandbox/peers and listens on the loopback interface. Afterwards its data
and the stack's copies of the documents are deleted.

The systems are measured one after the other; each is idle while the other is measured. Both are queried
through their public APIs. Memory and size exclude Ollama, which serves both.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from bench.measuring import ROOT, Figure, console, machine, show
from bench.peers import open_webui
from bench.peers.ours import SHARED, deployed
from bench.peers.relay import relayed
from bench.peers.system import Felt, Measured, felt, run
from rag_core.evaluation import load
from tests.eval import manuals
from tests.stack.endpoint import value
from tests.stack.host import Host

QUESTIONS = ROOT / "tests" / "eval"
OLLAMA_PORT = 11434
ASKED = 9  # the first loads the model
# With Open WebUI's generated queries: a model too small for that task keeps writing for minutes.
ASKED_WITH_QUERIES = 3


@contextmanager
def ollama(host: Host) -> Iterator[str]:
    """Relay to the stack's Ollama, which otherwise only its proxy can reach."""
    words = ["docker", "inspect", "--format", "{{.State.Pid}}", host.container(value("name"))]
    pid = int(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    networks = host.inspect(SHARED)[0]["NetworkSettings"]["Networks"].values()
    with relayed(pid, (next(one["IPAddress"] for one in networks), OLLAMA_PORT)) as address:
        yield address


def compared(
    name: str, ours: float, theirs: float, unit: str = "", *, less: bool = False, note: str = ""
) -> Figure:
    """Compare our value with theirs; LESS means that a lower value is better (times and sizes)."""
    ahead = ours < theirs if less else ours > theirs
    place = "ahead" if ahead else "behind"
    aim = "< 1 x" if less else "> 1 x"
    remark = f"Open WebUI {theirs:,.2f}: {place}" + (f"; {note}" if note else "")
    return Figure(name, ours, unit, theirs, aim, remark)


def figures(ours: Measured, theirs: Measured, as_installed: Felt, questions: int) -> list[Figure]:
    """Return the rows of the table."""
    within = [
        compared(
            f"answers within {most} words",
            ours.within[most],
            theirs.within[most],
            note=f"{questions} questions",
        )
        for most in ours.within
    ]
    accelerators = f"{open_webui.accelerators():,.0f} of theirs for GPUs"
    silent = f"{ours.felt.without} and {theirs.felt.without} answers without a model"
    return [
        compared("PDF pages ingested a minute", ours.pages, theirs.pages),
        compared("other documents a minute", ours.files, theirs.files),
        *within,
        compared("first visible line, p50", ours.felt.line, theirs.felt.line, "s", less=True, note=silent),
        compared("first word, p50", ours.felt.word, theirs.felt.word, "s", less=True),
        compared(
            "  as installed",
            ours.felt.word,
            as_installed.word,
            "s",
            less=True,
            note="its model writes the queries first",
        ),
        compared("memory, at most", ours.memory, theirs.memory, "MiB", less=True, note="without Ollama"),
        compared("installed", ours.installed, theirs.installed, "MB", less=True, note=accelerators),
    ]


def main(arguments: list[str]) -> None:
    """Measure and show."""
    few = "few" in arguments
    about = machine()
    files = manuals.evaluated() if few else manuals.whole_of_debian()
    # The second half of the questions about whole manuals is held out: nothing was tuned on it.
    name = "questions" if few else "debian_manuals_check"
    every = load(QUESTIONS / f"{name}.jsonl")
    # Leave out follow-up questions: a single search has no conversation.
    cases = [case for case in every if case.answerable and not case.after]
    asked = [case.question for case in cases[:ASKED]]
    host = Host(value("name"))
    with ollama(host) as address:
        # Install before anything is measured.
        open_webui.environment()
        with deployed(host) as stack:
            ours = run(stack, files, cases, asked)
        with open_webui.served(address) as peer:
            # Open WebUI does better without generated queries, so compare with those figures.
            peer.generate_queries(False)
            theirs = run(peer, files, cases, asked)
            peer.generate_queries(True)
            as_installed = felt(peer.ask, asked[:ASKED_WITH_QUERIES])
    show(
        "peers",
        f"Open WebUI beside us, {len(files)} documents",
        figures(ours, theirs, as_installed, len(cases)),
        about,
    )
    for refused, reason in peer.refused.items():
        console.print(f"Open WebUI refused {refused}: {reason}")


if __name__ == "__main__":
    main(sys.argv[1:])
