"""The worker as a service: it runs until it is asked to stop."""

from __future__ import annotations

import os
import signal
import socket
import sys
from threading import Event

import structlog
from pydantic import ValidationError

from rag_core import factory, logs
from rag_worker.settings import WorkerSettings, refusal
from rag_worker.worker import Worker


def main() -> int:
    """Read the settings from the environment and run; returns the exit code."""
    try:
        settings = WorkerSettings()
    except ValidationError as error:
        sys.stderr.write(f"{refusal(error)}\n")
        return 2
    return run(settings)


def run(settings: WorkerSettings) -> int:
    """Run until SIGTERM or SIGINT."""
    logs.configure(settings.log_level)
    stop = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    ledger = factory.build_ledger(settings)
    owner = f"{socket.gethostname()}-{os.getpid()}"
    structlog.contextvars.bind_contextvars(service="rag-worker")
    worker = Worker(
        ledger=ledger,
        watcher=factory.build_watcher(settings, ledger),
        ingestor=factory.build_ingestor(settings, ledger, owner),
        heartbeat=settings.heartbeat_path,
        poll_seconds=settings.ingestion_poll_seconds,
        stop=stop,
    )
    try:
        worker.run()
    finally:
        ledger.close()
    return 0
