"""Who signed a request to AWS, and for which service and region."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

CREDENTIAL = re.compile(
    r"(?:Credential=|^)(?P<key>[^/,\s]+)/\d+/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request"
)
# The name in a signature -> boto3's name and IAM's prefix, where they are others.
SERVICES = {
    "monitoring": ("cloudwatch", "cloudwatch"),
    "tagging": ("resourcegroupstaggingapi", "tag"),
    "servicequotas": ("service-quotas", "servicequotas"),
}


@dataclass(frozen=True)
class Credential:
    """What a signature says about its maker."""

    key: str
    region: str
    service: str

    @property
    def boto(self) -> str:
        """The service's name in boto3."""
        return SERVICES.get(self.service, (self.service, ""))[0]

    @property
    def prefix(self) -> str:
        """The service's prefix in IAM."""
        return SERVICES.get(self.service, ("", self.service))[1]


def credential(environ: Mapping[str, Any]) -> Credential | None:
    """From the Authorization header or a presigned address; None when the request is not signed."""
    query = parse_qs(str(environ.get("QUERY_STRING", "")))
    for text in (str(environ.get("HTTP_AUTHORIZATION", "")), *query.get("X-Amz-Credential", [])):
        if found := CREDENTIAL.search(text):
            return Credential(found["key"], found["region"], found["service"])
    return None
