"""Checks of ingestion and answering; they change nothing."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from contextlib import closing

from rag_core import factory, health
from rag_core.errors import RagError
from rag_core.models import DocumentState, Frozen
from rag_worker.settings import WorkerSettings

_LEAST_FREE = 1024**3
_SLOW_SECONDS = 5.0


class Finding(Frozen):
    """One check: its result and, when it failed, what to do."""

    what: str
    ok: bool
    detail: str
    advice: str = ""


def examine(settings: WorkerSettings) -> list[Finding]:
    """Run all checks; findings are in the order in which to fix them."""
    checks: list[tuple[str, Callable[[WorkerSettings], Finding]]] = [
        ("documents' directory", _directory),
        ("ledger", _ledger),
        ("worker", _worker),
        ("OpenSearch", _opensearch),
        ("index", _index),
        ("Ollama", _ollama),
        *([("remote models", _remote)] if settings.remote_models else []),
        ("embedder", _embedder),
        ("OCR", _ocr),
        ("documents", _documents),
    ]
    return [_checked(what, check, settings) for what, check in checks]


def _checked(what: str, check: Callable[[WorkerSettings], Finding], settings: WorkerSettings) -> Finding:
    try:
        return check(settings)
    except RagError as error:
        advice = "correct what is named, then run `ragdock doctor` again"
        return Finding(what=what, ok=False, detail=error.message, advice=advice)
    except OSError as error:
        return Finding(
            what=what,
            ok=False,
            detail=f"{type(error).__name__}: {error}",
            advice="check the disk and who owns /opt/ragdock/data (uid 10001), then run this again",
        )


def _directory(settings: WorkerSettings) -> Finding:
    path = settings.ingestion_input_dir
    what = "documents' directory"
    if not path.is_dir() or not os.access(path, os.W_OK | os.X_OK):
        advice = (
            "set INGESTION_INPUT_DIR to a directory that uid 10001 may write; run the deploy playbook again"
        )
        return Finding(what=what, ok=False, detail=f"{path} is missing or cannot be written", advice=advice)
    free = shutil.disk_usage(path).free
    detail = f"{path}, {free / 1024**3:.1f} GiB free"
    advice = "delete documents, or raise ragdock_data_volume_gib and run the provision playbook"
    return Finding(what=what, ok=free >= _LEAST_FREE, detail=detail, advice=advice)


def _ledger(settings: WorkerSettings) -> Finding:
    with closing(factory.build_ledger(settings)) as ledger:
        sound = ledger.check()
    advice = "restore the ledger from the last backup: playbooks/restore.yml"
    return Finding(what="ledger", ok=sound == "ok", detail=f"{settings.ledger_path}: {sound}", advice=advice)


def _worker(settings: WorkerSettings) -> Finding:
    advice = "read its log: docker logs ragdock-rag-worker-1, on the host"
    try:
        age = time.time() - settings.heartbeat_path.stat().st_mtime
    except FileNotFoundError:
        detail = f"no heartbeat at {settings.heartbeat_path}: it does not run in this container"
        return Finding(what="worker", ok=False, detail=detail, advice=advice)
    fresh = age < settings.heartbeat_max_age
    with closing(factory.build_ledger(settings)) as ledger:
        paused = ledger.ingestion().paused
    if fresh and paused:
        return Finding(what="worker", ok=False, detail=f"it waits: {paused}", advice="see what is away below")
    return Finding(what="worker", ok=fresh, detail=f"last heartbeat {age:.0f} s ago", advice=advice)


def _opensearch(settings: WorkerSettings) -> Finding:
    found = health.check(settings).opensearch
    advice = "see whether it runs: playbooks/status.yml; its log: docker logs ragdock-opensearch-1"
    return Finding(what="OpenSearch", ok=found.ok, detail=found.detail, advice=advice)


def _index(settings: WorkerSettings) -> Finding:
    with closing(factory.build_index(settings)) as index:
        serving = index.serving()
        if serving is None:
            detail = f"no index behind {settings.opensearch_index!r}"
            advice = "start the worker: it makes the index and reads every document again"
            return Finding(what="index", ok=False, detail=detail, advice=advice)
        name, stored = serving
        with closing(factory.build_embedder(settings)) as embedder:
            current = factory.current_contract(settings, embedder, index)
        if stored != current:
            differing = [f for f in type(current).model_fields if getattr(stored, f) != getattr(current, f)]
            detail = f"{name} was made with another {', '.join(differing)}"
            advice = "the worker is making a new one: `ragdock watch` shows it; nothing to do"
            return Finding(what="index", ok=False, detail=detail, advice=advice)
        return Finding(what="index", ok=True, detail=f"{name}, {index.count():,} chunks")


def _ollama(settings: WorkerSettings) -> Finding:
    report = health.check(settings)
    if not report.ollama.ok:
        advice = "see whether it runs: playbooks/status.yml; its log: docker logs ragdock-ollama-1"
        return Finding(what="Ollama", ok=False, detail=report.ollama.detail, advice=advice)
    local = {name: there for name, there in report.models.items() if settings.remote(name) is None}
    missing = [name for name, there in local.items() if not there]
    detail = f"missing: {', '.join(missing)}" if missing else ", ".join(local) or "no setting names a model"
    advice = "name the models in ragdock_models and run the deploy playbook again"
    return Finding(what="Ollama", ok=not missing, detail=detail, advice=advice)


def _remote(settings: WorkerSettings) -> Finding:
    """Whether remote models can be reached, and the tokens they used. Sends no requests: they cost money."""
    found = health.check(settings).remote
    with closing(factory.build_remote_tokens(settings)) as tokens:
        used = tokens.today()
    spent = "; ".join(
        f"{one.name} at {one.host}: {used.get(one.name, 0):,}"
        f"{f' of {one.tokens_per_day:,}' if one.tokens_per_day else ''} tokens today"
        for one in settings.remote_models
    )
    advice = "see whether the container `remote` runs: playbooks/status.yml"
    away = found is not None and not found.ok
    detail = f"{found.detail}; {spent}" if found is not None and away else spent
    return Finding(what="remote models", ok=not away, detail=detail, advice=advice)


def _embedder(settings: WorkerSettings) -> Finding:
    remote = settings.remote(settings.embedding_model_name)
    if remote is not None:
        detail = f"{remote.name} at {remote.host}; not tried, since a request costs money"
        return Finding(what="embedder", ok=True, detail=detail)
    with closing(factory.build_embedder(settings)) as embedder:
        embedder.embed(["warm up"])
        started = time.monotonic()
        embedder.embed(["How long does one question take?"])
        took = time.monotonic() - started
    advice = "the machine is busy: try again later, or choose a larger ragdock_instance_type"
    detail = f"{settings.embedding_model_name}, {took * 1000:.0f} ms for a question"
    return Finding(what="embedder", ok=took < _SLOW_SECONDS, detail=detail, advice=advice)


def _ocr(settings: WorkerSettings) -> Finding:
    if settings.ocr_languages == "none":
        return Finding(what="OCR", ok=True, detail="switched off; scanned pages are not read")
    program = shutil.which("tesseract")
    if program is None:
        advice = "use the image of the release; it contains Tesseract"
        return Finding(what="OCR", ok=False, detail="Tesseract is not installed", advice=advice)
    listed = subprocess.run(
        [program, "--list-langs"], capture_output=True, text=True, timeout=30, check=False
    ).stdout.split()
    missing = [one for one in settings.ocr_languages.split("+") if one not in listed]
    detail = f"no data for {', '.join(missing)}" if missing else f"Tesseract reads {settings.ocr_languages}"
    advice = f"set OCR_LANGUAGES to some of {', '.join(sorted(set(listed) - {'osd'})[-12:])}"
    return Finding(what="OCR", ok=not missing, detail=detail, advice=advice)


def _documents(settings: WorkerSettings) -> Finding:
    with closing(factory.build_ledger(settings)) as ledger:
        counts = ledger.counts()
        failed = ledger.list(states=[DocumentState.FAILED], limit=5)
    detail = ", ".join(f"{many:,} {state.value}" for state, many in counts.items() if many) or "none yet"
    reasons = "; ".join(f"{document.name}: {document.reason}" for document in failed)
    advice = f"correct and try again in the Library. The newest: {reasons}"
    return Finding(what="documents", ok=not failed, detail=detail, advice=advice)
