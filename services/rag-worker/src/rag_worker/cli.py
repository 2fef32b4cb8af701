"""`ragdock`: the worker's command-line tools. `ragdock --help` lists them.

Exit codes: 0 success; 1 the command ran, but the outcome is bad (a document failed, nothing was found, doctor
found a fault); 2 wrong arguments or settings; 3 a dependency is unavailable; 130 interrupted.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from rag_core import evaluation, factory, logs
from rag_core.errors import ModelMissing, RagError, Unavailable
from rag_core.ledger import Ledger
from rag_core.ledger.notes import WANTED
from rag_core.models import Done, Question, Switched, Token
from rag_worker import asking, intake, transfer
from rag_worker import doctor as examination
from rag_worker.settings import WorkerSettings, refusal

OK, BAD, USAGE, AWAY, INTERRUPTED = 0, 1, 2, 3, 130

app = typer.Typer(
    name="ragdock", help=__doc__, no_args_is_help=True, add_completion=False, rich_markup_mode=None
)
out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

Json = Annotated[bool, typer.Option("--json", help="Write JSON instead of a page for people.")]
TopK = Annotated[int | None, typer.Option(min=1, max=50, help="How many passages.")]
Waiting = Annotated[float, typer.Option(min=0, help="Seconds to wait at most; 0: as long as it takes.")]


@app.command()
def ingest(
    paths: Annotated[list[Path], typer.Argument(exists=True, help="Files, or directories of files.")],
    wait: Annotated[bool, typer.Option(help="Wait until each is ready or has failed.")] = True,
    timeout: Waiting = 0,
) -> None:
    """Add documents; the running worker reads them."""
    with _ledger() as (settings, ledger):
        good = intake.ingest(settings, ledger, paths, wait=wait, timeout=timeout, out=out, err=err)
        raise typer.Exit(OK if good else BAD)


@app.command()
def watch(
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False, as_json: Json = False
) -> None:
    """Show the worker's progress: how much is left, how fast it is and how long it will take."""
    with _ledger() as (_, ledger):
        if as_json:
            counts = {state.value: many for state, many in ledger.counts().items()}
            _write({"documents": counts, "ingestion": ledger.ingestion().model_dump()})
        else:
            intake.watch(ledger, once=once, out=out)


@app.command()
def search(
    query: Annotated[str, typer.Argument(help="What to search for.")],
    top_k: TopK = None,
    document: asking.Documents = None,
    kind: asking.Kinds = None,
    tag: asking.WithTags = None,
    since: asking.Since = None,
    until: asking.Until = None,
    as_json: Json = False,
) -> None:
    """Find passages, without an answer from a model."""
    only = asking.filters(document, kind, tag, since, until)
    with _ledger() as (settings, ledger), closing(factory.build_retriever(settings, ledger)) as retriever:
        passages = retriever.search(query, top_k, filters=only)
        if as_json:
            _write([passage.model_dump() for passage in passages])
        else:
            asking.show_passages(passages, out)
        if not passages:
            err.print("Nothing was found. `ragdock watch --once` shows how many documents are ready.")
            raise typer.Exit(BAD)


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help="Your question.")],
    model: Annotated[str | None, typer.Option(help="Another model than the first of the settings.")] = None,
    top_k: TopK = None,
    document: asking.Documents = None,
    kind: asking.Kinds = None,
    tag: asking.WithTags = None,
    since: asking.Since = None,
    until: asking.Until = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents, with sources; sentences without a source are listed."""
    only = asking.filters(document, kind, tag, since, until)
    with _ledger() as (settings, ledger), closing(factory.build_answerer(settings, ledger)) as answerer:
        answer, written = None, ""
        events = answerer.ask(Question(text=question, model=model, top_k=top_k, filters=only))
        for event in ledger.first(iter(events)):
            if isinstance(event, Token) and not as_json:
                written += event.text
                out.print(event.text, end="", markup=False)
            elif isinstance(event, Switched) and not as_json:
                written = ""
                out.print(f"\n({event.reason}; {event.model} answers instead)", markup=False)
            elif isinstance(event, Done):
                answer = event.answer
        if answer is None:
            raise RagError("the answer broke off; try again")
        if as_json:
            _write(answer.model_dump())
        else:
            # The complete answer has its citation marks [1]; the streamed text may lack them.
            same = written.strip() == answer.answer.strip()
            out.print("" if same else f"\n\n{answer.answer}", markup=False)
            asking.show_sources(answer, out)
        if answer.reason == "no_model":
            raise typer.Exit(AWAY)
        raise typer.Exit(BAD if answer.reason == "no_relevant_passage" else OK)


@app.command("eval")
def evaluate(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="Questions, one JSON object a line.")
    ],
    answers: Annotated[
        bool, typer.Option(help="Have a model answer each question, too; this takes long.")
    ] = False,
    report: Annotated[
        Path | None, typer.Option(help="Write JSON here, and a picture (.svg) beside it.")
    ] = None,
    floor: Annotated[float, typer.Option(min=0, max=1, help="The least MRR@10 that counts as good.")] = 0.0,
) -> None:
    """Measure the quality of retrieval and answers on questions with known answers."""
    cases = evaluation.load(file)
    if report is not None:
        # Check this before the questions, which take long.
        _writable(report, report.with_suffix(".svg"))
    with _ledger() as (settings, ledger), closing(factory.build_answerer(settings, ledger)) as answerer:
        with closing(factory.build_retriever(settings, ledger)) as retriever, out.status("asking") as status:
            measured = evaluation.run(
                cases,
                retriever,
                judge=answerer.judge,
                answer=(lambda text: answerer.answer(Question(text=text, fresh=True))) if answers else None,
                progress=lambda done: status.update(f"{done} of {len(cases)} questions"),
            )
        out.print(measured.table())
        if report is not None:
            measured.write(report)
            measured.picture(report.with_suffix(".svg"))
            out.print(f"Written to {report} and {report.with_suffix('.svg').name}", markup=False)
        reached = measured.figures()["MRR@10"]
        if reached < floor:
            err.print(f"MRR@10 is {reached:.3f}, under the floor of {floor:g}.")
            raise typer.Exit(BAD)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check for problems and print how to fix them."""
    settings = _settings()
    findings = examination.examine(settings)
    if as_json:
        _write([finding.model_dump() for finding in findings])
    else:
        table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
        for one in findings:
            mark = "ok" if one.ok else "WRONG"
            table.add_row(mark, one.what, one.detail if one.ok else f"{one.detail}\n-> {one.advice}")
        out.print(table)
    raise typer.Exit(OK if all(one.ok for one in findings) else BAD)


@app.command()
def reindex(
    wait: Annotated[bool, typer.Option(help="Wait until the new index serves.")] = False,
    timeout: Waiting = 0,
) -> None:
    """Read every document into a new index; the old one is used until the new one is complete."""
    with _ledger() as (_, ledger):
        ledger.note(WANTED, "requested by a person")
        out.print("The worker makes a new index; the old one answers till then. `ragdock watch` shows it.")
        if wait and not intake.wait_for_reindex(ledger, timeout=timeout, out=out):
            err.print(f"It is not done after {timeout:.0f} s; the worker continues.")
            raise typer.Exit(BAD)


@app.command()
def export(
    file: Annotated[Path, typer.Argument(help="Where to write; one document a line, as JSON.")],
    text: Annotated[bool, typer.Option(help="With the text of each chunk.")] = True,
) -> None:
    """Write the list of documents and their indexed text."""
    with _ledger() as (settings, ledger), closing(factory.build_index(settings)) as index:
        many = transfer.export(ledger, index, file, text=text)
        out.print(f"{many:,} documents written to {file}", markup=False)


def _writable(report: Path, picture: Path) -> None:
    if report == picture:
        raise typer.BadParameter(f"{report} is the name of the picture; give the report another extension")
    for path in (report, picture):
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise typer.BadParameter(f"{path} cannot be written; in the worker's container /tmp can")


def _write(value: object) -> None:
    out.file.write(json.dumps(value, indent=2, default=str, ensure_ascii=False) + "\n")


def _settings() -> WorkerSettings:
    try:
        return WorkerSettings()
    except ValidationError as error:
        err.print(refusal(error), markup=False)
        raise typer.Exit(USAGE) from error


@contextmanager
def _ledger() -> Iterator[tuple[WorkerSettings, Ledger]]:
    settings = _settings()
    with closing(factory.build_ledger(settings)) as ledger:
        yield settings, ledger


def main() -> None:
    """Run the command line; our own errors are printed as one sentence, never as a traceback."""
    # Standard output is only for results, which programs may read.
    logs.configure("WARNING", sys.stderr)
    sys.exit(_guarded(lambda: app(standalone_mode=False)))


def _guarded(run: Callable[[], object]) -> int:
    try:
        done = run()
    except (Unavailable, ModelMissing) as error:
        err.print(error.message, markup=False)
        return AWAY
    except evaluation.BadCases as error:
        err.print(error.message, markup=False)
        return USAGE
    except RagError as error:
        err.print(error.message, markup=False)
        return BAD
    except (typer.Abort, KeyboardInterrupt):
        return INTERRUPTED
    except typer.Exit as error:
        return error.exit_code
    except typer.TyperException as error:
        err.print(f"{error}. `ragdock --help` lists what there is.", markup=False)
        return USAGE
    return done if isinstance(done, int) else OK


if __name__ == "__main__":
    main()
