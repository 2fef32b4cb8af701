"""A request to AWS as a fault sees it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from sandbox.aws import operations
from sandbox.aws.refusals import EC2, JSON, QUERY, protocol
from sandbox.aws.signature import credential


@dataclass(frozen=True)
class Call:
    """One request."""

    service: str
    region: str
    operation: str
    fields: dict[str, str]
    protocol: str

    @property
    def dry(self) -> bool:
        """Return whether this is a dry run."""
        return self.fields.get("DryRun", "").lower() == "true"

    def names(self, *values: str) -> bool:
        """Return whether one of its fields has one of the values."""
        return bool(set(values) & set(self.fields.values()))


def read(environ: dict[str, Any], body: bytes) -> Call:
    """Parse a request."""
    operation = operations.operation(environ, body)
    signed = credential(environ)
    service, region = (signed.service, signed.region) if signed else ("", "")
    form = protocol(service, environ, body)
    fields: dict[str, str] = {}
    if form == JSON:
        content = json.loads(body or b"{}")
        fields = {key: value for key, value in content.items() if isinstance(value, str)}
        for key, value in content.items():
            if isinstance(value, list):
                fields |= {f"{key}.{at}": one for at, one in enumerate(value) if isinstance(one, str)}
    elif operation and form in (EC2, QUERY):
        fields = dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))
    return Call(service, region, operation, fields, form)
