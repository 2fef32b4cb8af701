"""The state of the stack, as the API gives it."""

from typing import Literal

from pydantic import BaseModel, Field

from rag_app.schemas.base import PublicState
from rag_core.index.embed import Contract
from rag_core.models import (
    Ingestion,
)


class Alive(BaseModel):
    """This process answers. Says nothing about its dependencies."""

    status: Literal["ok"] = "ok"


class Light(BaseModel):
    """Whether questions can be answered: green, amber (slow, or a model is missing), red (no)."""

    light: Literal["green", "amber", "red"]


class Component(BaseModel):
    """One thing the app depends on."""

    state: Literal["green", "amber", "red"]
    latency_ms: float | None
    detail: str


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
    index_contract: Contract | None = Field(
        description="what this release makes an index with; null while its embedder does not answer"
    )
    questions_in_line: int
