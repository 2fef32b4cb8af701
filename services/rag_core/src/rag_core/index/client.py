"""The connection to OpenSearch; its errors are translated here and never leave this module."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from opensearchpy import OpenSearch, Urllib3HttpConnection
from opensearchpy.exceptions import (
    AuthenticationException,
    OpenSearchException,
    TransportError,
)
from opensearchpy.exceptions import (
    ConnectionError as NotReached,
)
from urllib3 import make_headers

from rag_core.errors import DocumentRefused, OpenSearchRefused, OpenSearchUnavailable

TOO_LARGE = 413


class EitherPassword(Urllib3HttpConnection):
    """Signs in with whichever password OpenSearch accepts: during a rotation there are two."""

    def __init__(self, *args: Any, logins: tuple[tuple[str, str], ...] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._logins = [make_headers(basic_auth=":".join(login))["authorization"] for login in logins]

    def perform_request(
        self,
        method: str,
        url: str,
        params: Any = None,
        body: Any = None,
        timeout: Any = None,
        ignore: Any = (),
        headers: Any = None,
    ) -> Any:
        """Send the request, retrying with the other password; the accepted one is tried first next time."""
        send = super().perform_request
        if not self._logins:
            return send(method, url, params, body, timeout, ignore, headers)
        first, *others = self._logins
        for login in (first, *others):
            signed = {**(headers or {}), "authorization": login}
            try:
                answer = send(method, url, params, body, timeout, ignore, signed)
            except AuthenticationException as refused:
                last = refused
                continue
            if login != first:
                self._logins = [login, *(other for other in self._logins if other != login)]
            return answer
        raise last


class IndexClient:
    """What the reader and the writer of the index share; safe to share between threads."""

    def __init__(
        self, *, address: str, alias: str, user: str, password: str, ca: str | None, timeout: float
    ) -> None:
        self._alias = alias
        self._address = address
        self._client = OpenSearch(
            hosts=[address],
            connection_class=EitherPassword,
            logins=tuple((user, one) for one in password.split()) if user else (),
            timeout=timeout,
            max_retries=0,  # the caller decides whether to wait, fall back or report
            pool_maxsize=16,
            ssl_context=ssl.create_default_context(cadata=ca) if address.startswith("https://") else None,
        )

    def ping(self, timeout: float) -> str:
        """Return the cluster's status: green, yellow or red."""
        with self._translated():
            return str(self._client.cluster.health(request_timeout=timeout)["status"])

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except NotReached as error:  # also timeouts and TLS
            raise OpenSearchUnavailable(
                f"OpenSearch does not answer at {self._address} ({type(error).__name__});"
                " playbooks/status.yml shows whether it runs"
            ) from error
        except TransportError as error:
            raise translate_status(int(error.status_code), str(error.error)) from error
        except OpenSearchException as error:
            raise OpenSearchRefused(f"OpenSearch's answer cannot be used ({type(error).__name__})") from error

    @contextmanager
    def _of_a_document(self) -> Iterator[None]:
        """Translate errors of requests about one document: it may be refused while others go on."""
        try:
            with self._translated():
                yield
        except OpenSearchRefused as error:
            if not about_the_document(error):
                raise
            raise document_refused(error.status or 0, error.kind) from error


def translate_status(status: int, kind: str) -> OpenSearchUnavailable | OpenSearchRefused:
    """Translate an HTTP status of OpenSearch into one of our errors."""
    # 404: the alias does not exist yet, or a restore is recreating it; 5xx: shards are still starting.
    if status in (404, 408, 429) or status >= 500:
        return OpenSearchUnavailable(
            f"OpenSearch is not ready (HTTP {status}, {kind}); it may still be starting"
        )
    if status in (401, 403):
        return OpenSearchRefused(
            f"OpenSearch refused our user (HTTP {status}); run the deploy playbook again, it sets the rights",
            status=status,
        )
    return OpenSearchRefused(
        f"OpenSearch refused the request (HTTP {status}, {kind})", status=status, kind=kind
    )


def about_the_document(refused: OpenSearchRefused) -> bool:
    """Whether the refusal is due to the document sent, so that another one may be accepted."""
    return refused.status not in (None, 401, 403)


def document_refused(status: int, kind: str) -> DocumentRefused:
    """Return the error shown for a document that OpenSearch does not accept."""
    if status == TOO_LARGE:
        return DocumentRefused(
            "OpenSearch takes no request as large as one part of this document (HTTP 413); raise"
            " http.max_content_length or the limit of the proxy before it, then try again",
            code="index_too_large",
        )
    return DocumentRefused(
        f"OpenSearch refused a part of this document (HTTP {status}, {kind}); its log says why."
        " Try again; when it happens to every document, run `ragdock reindex`"
    )
