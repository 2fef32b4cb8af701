"""The worker's own settings, in addition to those of rag_core."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, ValidationError

from rag_core.settings import RagSettings
from rag_worker import heartbeat


class WorkerSettings(RagSettings):
    """Settings of the worker, read from its environment."""

    heartbeat_path: Path = heartbeat.PATH
    heartbeat_max_age: float = Field(default=heartbeat.LONGEST, gt=0)
    log_level: str = Field(default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$")


def refusal(error: ValidationError) -> str:
    """Describe which variables are wrong, and where an operator sets them."""
    wrong = "; ".join(
        f"{'.'.join(map(str, one['loc'])).upper() or 'settings'}: {one['msg']}" for one in error.errors()
    )
    return (
        f"The environment of rag-worker is wrong: {wrong}. A deployment makes it from the settings in the "
        "inventory: change them there (docs/operate/settings.md lists them) and run site.yml"
    )
