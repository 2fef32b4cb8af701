"""The configuration of a remote model."""

from __future__ import annotations

from pydantic import Field

from rag_core.models import Frozen


class RemoteModel(Frozen):
    """One model of REMOTE_MODELS."""

    name: str = Field(min_length=1)  # its name in the settings and for users
    slug: str = Field(pattern=r"^[a-z0-9-]+$")  # its path at the proxy
    model: str = Field(min_length=1)  # its name on its server
    host: str = Field(min_length=1)  # where text is sent, shown to users
    tokens_per_day: int = Field(default=0, ge=0)  # 0: no limit
    window: int = Field(default=4096, ge=1)  # tokens of its context
    parallel: int = Field(default=8, ge=1, le=64)  # answers at the same time

    @property
    def identity(self) -> str:
        """What identifies comparable vectors as far as can be known: there are no weights to hash."""
        return f"{self.model}@{self.host}"
