"""The worker's own settings beside those of rag_core."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from rag_core.settings import RagSettings
from rag_worker import heartbeat


class WorkerSettings(RagSettings):
    """Environment of the worker."""

    heartbeat_path: Path = heartbeat.PATH
    heartbeat_max_age: float = Field(default=heartbeat.LONGEST, gt=0)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")
