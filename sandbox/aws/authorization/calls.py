"""Parses a request: who signed it, and the service, operation and parameters."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.model import OperationNotFoundError
from moto.core.parse import PROTOCOL_PARSERS, RequestParserError
from moto.core.request import Request, determine_request_protocol
from moto.core.routing import get_service_router
from moto.core.utils import get_service_model
from werkzeug.exceptions import HTTPException

from sandbox.aws import operations
from sandbox.aws.signature import Credential


class UnreadableError(ValueError):
    """A request that is not a known request to an AWS service."""


@dataclass(frozen=True)
class Call:
    """A request to an AWS service."""

    credential: Credential
    operation: str
    parameters: Mapping[str, Any]

    @property
    def action(self) -> str:
        """Return the IAM action that most operations map to: prefix and operation name."""
        return f"{self.credential.prefix}:{self.operation}"


def read(environ: Mapping[str, Any], body: bytes, signed: Credential) -> Call:
    """Parse a request with the service models that AWS publishes."""
    # S3 stores bodies as they are sent, so do not decompress them.
    packed = environ.get("HTTP_CONTENT_ENCODING") == "gzip" and signed.service != "s3"
    content = gzip.decompress(body) if packed else body
    copy = {**environ, "wsgi.input": io.BytesIO(content), "CONTENT_LENGTH": str(len(content))}
    request = Request(copy)
    try:
        service = get_service_model(signed.boto)
        labels: dict[str, Any] = {}
        name = operations.operation(copy, content)
        if service.protocol.startswith("rest"):
            model, labels = get_service_router(signed.boto).match(request)
        else:
            if name not in service.operation_names and request.content_type.startswith(
                "application/x-amz-json"
            ):
                # An operation for agents and consoles, for which AWS publishes no model.
                return Call(signed, name, json.loads(content))
            model = service.operation_model(name)
        parser = PROTOCOL_PARSERS[determine_request_protocol(service, request.content_type)](model)
        parameters = parser.parse(
            {
                "method": request.method,
                "values": request.values,
                "headers": request.headers,
                "body": content,
                "url_path": request.path,
                "url_params": labels,
            }
        )
    except (
        HTTPException,
        RequestParserError,
        OperationNotFoundError,
        NotImplementedError,
        KeyError,
        ValueError,
    ) as error:
        raise UnreadableError(
            f"{signed.service}: {environ.get('REQUEST_METHOD')} {environ.get('PATH_INFO')}: {error!r}"
        ) from error
    return Call(signed, str(model.name), {**labels, **(parameters or {})})
