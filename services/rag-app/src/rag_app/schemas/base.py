"""Base classes of request and response bodies."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

PublicState = Literal["queued", "processing", "ready", "failed"]


class Given(BaseModel):
    """Base of request bodies: a misspelt field is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
