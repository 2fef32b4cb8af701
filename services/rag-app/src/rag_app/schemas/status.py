"""API schemas of the stack's status."""

from typing import Literal

from pydantic import BaseModel, Field

from rag_app.schemas.base import PublicState
from rag_core.index.embed import Contract
from rag_core.models import (
    Ingestion,
)


class Alive(BaseModel):
    """This process is alive. Says nothing about its dependencies."""

    status: Literal["ok"] = "ok"


class Light(BaseModel):
    """Whether questions can be answered: green, amber (slow, or a model is missing), red (no)."""

    light: Literal["green", "amber", "red"]


class Component(BaseModel):
    """One thing the app depends on."""

    state: Literal["green", "amber", "red"]
    latency_ms: float | None
    detail: str


class RemoteModelUse(BaseModel):
    """A model that runs outside this server: text of questions or documents is sent to its host."""

    name: str
    host: str
    reachable: bool = Field(description="the proxy to it answers; a request to the model itself would cost")
    tokens_today: int = Field(description="read and written since 00:00 UTC")
    tokens_per_day: int | None = Field(description="once used up, the next model is asked; null: no limit")


class Status(BaseModel):
    """Everything an operator checks first."""

    release: str
    version: str = Field(description="version of Ragdock that made the release")
    status: Literal["green", "amber", "red"]
    documents: dict[PublicState, int]
    ingestion: Ingestion = Field(description="what the worker does: how much is left, how fast, how long")
    opensearch: Component
    ollama: Component
    models: dict[str, bool] = Field(description="configured model: is it there")
    remote_models: list[RemoteModelUse] = Field(description="those among them that run outside this server")
    index_contract: Contract | None = Field(
        description="what this release makes an index with; null while its embedder does not answer"
    )
    questions_in_line: int
