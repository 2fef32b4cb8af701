"""Why a run must not start, and AWS's error codes."""

from __future__ import annotations

from contextlib import suppress

with suppress(ImportError):
    from botocore.exceptions import ClientError


class RefusalError(Exception):
    """The run must not start. The text says why and what to do."""


def code_of(error: Exception) -> str:
    """AWS's error code, or the name of the exception's class."""
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else type(error).__name__
