"""The commands of `python -m sandbox`."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.panel import Panel

from sandbox import daemon, docker_api, domain, engine, faults, lifecycle, remote, settings, show, status
from sandbox.docker_api import PART
from sandbox.errors import SandboxError
from sandbox.progress import Progress
from sandbox.settings import LABEL, Sandbox

app = typer.Typer(
    help="A local AWS for developing and trying Ragdock.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
out = Console(soft_wrap=True, highlight=False)
err = Console(stderr=True, soft_wrap=True, highlight=False)


def _run(act: Callable[[Sandbox], Any]) -> Any:
    """Call a function with this checkout's sandbox; print one message on failure."""
    try:
        return act(settings.load())
    except SandboxError as error:
        err.print(error.what, style="bold red", markup=False)
        err.print(error.why, markup=False)
        err.print(error.action, style="bold", markup=False)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as error:
        err.print("Interrupted. What is half done is completed by running the same command again.")
        raise typer.Exit(130) from error


@app.command()
def up() -> None:
    """Start the sandbox, or complete one that is half up."""
    progress = Progress()
    _run(lambda sandbox: lifecycle.up(sandbox, progress))
    err.print(f"Sandbox up in {time.monotonic() - progress.began:.1f} s.")


@app.command("images")
def provide() -> None:
    """Pull or build the images and fetch the models that `up` needs, and start nothing."""
    _run(lambda _: lifecycle.provide(Progress()))


@app.command()
def down() -> None:
    """Stop the sandbox and keep everything."""
    _run(lambda sandbox: lifecycle.down(sandbox, Progress()))


@app.command()
def wipe() -> None:
    """Remove every trace of the sandbox from this machine."""
    started_here = _run(lambda sandbox: engine.ours(sandbox.state / engine.RECORD))
    removed = _run(lambda sandbox: lifecycle.wipe(sandbox, Progress()))
    left = _run(lifecycle.traces)
    stays = ""
    if not left:
        more, stays = _run(lambda _: engine.end(docker_api.connect(), started_here))
        removed += more
    for line in removed:
        out.print(f"removed {line}", markup=False)
    for line in left:
        err.print(f"still there: {line}", style="red", markup=False)
    if stays:
        out.print(stays, markup=False)
    out.print("Nothing of the sandbox is left." if not left else "Not everything could be removed.")
    raise typer.Exit(1 if left else 0)


@app.command("status")
def show_status() -> None:
    """Show what runs, and its health."""

    def look(sandbox: Sandbox) -> bool:
        left = lifecycle.traces(sandbox)
        if not left:
            out.print("Nothing of the sandbox is left on this machine; `make up` makes one.")
            return True
        table, well = status.table(sandbox)
        out.print(table)
        return well

    raise typer.Exit(0 if _run(look) else 1)


@app.command("show")
def show_value(
    what: Annotated[str, typer.Argument(help=f"one of {', '.join((*show.VALUES, 'summary'))}")],
) -> None:
    """Print one value of the deployment, and nothing else."""

    def look(sandbox: Sandbox) -> str:
        if what == "summary":
            return show.summary(sandbox)
        if what not in show.VALUES:
            raise SandboxError(
                f"There is no value named {what}.",
                f"There are: {', '.join((*show.VALUES, 'summary'))}.",
                "Run for instance: python -m sandbox show url",
            )
        return show.value(sandbox, what)

    text = _run(look)
    if what == "summary":
        out.print(Panel(text, title="Ragdock is up", expand=False))
    else:
        sys.stdout.write(f"{text}\n")


@app.command("domain")
def with_domain(
    name: Annotated[str, typer.Argument(help="a host name, such as rag.example.org")],
) -> None:
    """Make a zone and a certificate authority for a domain; print the settings that deploy with it."""
    sys.stdout.write(_run(lambda sandbox: domain.settings_for(sandbox, name)))


@app.command("fault")
def switch_fault(
    name: Annotated[str, typer.Argument(help="a fault, or `list`")] = "list",
    state: Annotated[str, typer.Argument(help="on or off")] = "on",
    number: Annotated[int | None, typer.Option(help="how many, how long: see the list")] = None,
) -> None:
    """Switch a fault of AWS, or of the hosts' network, on or off."""
    on = _run(lambda sandbox: faults.switch(sandbox, name, state, number))
    for one, says in faults.KNOWN.items():
        out.print(f"{one:18} {on.get(one, 'off'):10} {says}", markup=False)


@app.command()
def authority() -> None:
    """Start a certificate authority; print the settings that deploy with it."""
    sys.stdout.write(_run(domain.settings_for))


@app.command()
def elsewhere(
    fault: Annotated[str, typer.Option(help="401, 429, 500, cut, slow, or off")] = "",
    embed: Annotated[bool, typer.Option("--embed", help="settings whose embedder runs there, too")] = False,
) -> None:
    """Start servers of models elsewhere and print the settings that use them, or switch a fault of theirs."""
    if fault:
        _run(lambda sandbox: remote.switch(sandbox, fault))
    else:
        sys.stdout.write(_run(lambda sandbox: remote.settings_for(sandbox, embed=embed)))


@app.command()
def logs(
    part: Annotated[
        str, typer.Argument(help="loop, aws, registry, router, acme, elsewhere or host")
    ] = "loop",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="keep printing")] = False,
    lines: Annotated[int, typer.Option("--lines", "-n", help="how many of the last")] = 100,
) -> None:
    """The log of one part."""

    def read(sandbox: Sandbox) -> None:
        if part == "loop":
            path = sandbox.logs / "loop.log"
            if not path.exists():
                raise SandboxError("The host loop has written no log.", "It never ran.", "Run: make up")
            options = ["-f"] if follow else []
            os.execvp("tail", ["tail", "-n", str(lines), *options, str(path)])  # noqa: S606
        container = _container(sandbox, part)
        command = ["journalctl", "--no-pager", "-n", str(lines), *(["-f"] if follow else [])]
        if part == "host":
            _exec(["exec", container.name, *command])
        _exec(["logs", "--tail", str(lines), *(["-f"] if follow else []), container.name])

    _run(read)


@app.command()
def shell(part: Annotated[str, typer.Argument(help="host, aws, registry or router")] = "host") -> None:
    """A root shell in the host (or another part)."""

    def enter(sandbox: Sandbox) -> None:
        program = "/bin/bash" if part == "host" else "/bin/sh"
        terminal = ["-it"] if sys.stdin.isatty() else ["-i"]
        _exec(["exec", *terminal, _container(sandbox, part).name, program])

    _run(enter)


@app.command(hidden=True)
def loop(worker: Annotated[bool, typer.Option("--worker")] = False) -> None:
    """The host loop, in the foreground."""
    _run(daemon.work if worker else daemon.supervise)


def _container(sandbox: Sandbox, part: str) -> Any:
    """Return the running container of a part; the newest if there are several hosts."""
    found = docker_api.connect().containers.list(
        filters={"label": [f"{LABEL}={sandbox.name}", f"{PART}={part}"]}
    )
    if not found:
        raise SandboxError(
            f"No container of the part {part} is running.",
            "Parts are: host, aws, registry, router (and for logs: loop).",
            "Check: python -m sandbox status",
        )
    return found[0]


def _exec(arguments: list[str]) -> None:
    """Replace this process with the docker command, so that it handles the terminal itself."""
    program = shutil.which("docker") or "docker"
    os.execv(program, [program, *arguments])  # noqa: S606
