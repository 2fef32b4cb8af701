"""Receives a form with one file and writes it to disk as it arrives.

The file's bytes go from the connection to the upload's part file. At most one block is kept in memory, and
nothing is left behind when the form is invalid, the sender disconnects or the server stops.
"""

from contextlib import ExitStack
from typing import Final

from python_multipart.exceptions import MultipartParseError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from rag_app.errors import BadForm, ClientGone
from rag_core.ingest.uploads import Incoming, Uploads
from rag_core.models import Document

FIELD: Final = "file"
_BLOCK = 1024 * 1024
_LONGEST_BOUNDARY = 70  # RFC 2046
_RULE = f"send one file as multipart/form-data, in the field '{FIELD}'"


async def receive_file(request: Request, uploads: Uploads, *, replace: bool) -> Document:
    """Store the file of the request's form and queue it. On failure raises a RagError and stores nothing."""
    form = _Form(_boundary(request))
    declared = request.headers.get("content-length", "")
    expected = int(declared) if declared.isdigit() else 0
    with ExitStack() as cleanup:
        incoming: Incoming | None = None
        try:
            async for chunk in request.stream():
                form.feed(chunk)
                if incoming is None and form.filename is not None:
                    incoming = await run_in_threadpool(uploads.begin, form.filename, expected=expected)
                    cleanup.callback(incoming.discard)
                if incoming is not None and len(form.pending) >= _BLOCK:
                    await run_in_threadpool(incoming.write, form.take())
        except ClientDisconnect:
            raise ClientGone from None
        form.check_end()
        if incoming is None:
            raise BadForm(f"the form has no part: {_RULE}")
        await run_in_threadpool(incoming.write, form.take())
        return await run_in_threadpool(incoming.store, replace=replace)


def _boundary(request: Request) -> bytes:
    kind, options = parse_options_header(request.headers.get("content-type", ""))
    if kind != b"multipart/form-data":
        raise BadForm(f"this is no form with a file: {_RULE}", code="unsupported_media_type", http_status=415)
    boundary = options.get(b"boundary", b"")
    if not 0 < len(boundary) <= _LONGEST_BOUNDARY:
        raise BadForm(f"the Content-Type names no boundary of 1 to {_LONGEST_BOUNDARY} characters: {_RULE}")
    return boundary


class _Form:
    """The state of the form while it is parsed."""

    def __init__(self, boundary: bytes) -> None:
        self.filename: str | None = None
        self.pending = bytearray()
        self._ended = False
        self._parts = 0
        self._header = (bytearray(), bytearray())
        self._disposition = b""
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._begin_part,
                "on_part_data": self._take_data,
                "on_header_begin": self._begin_header,
                "on_header_field": lambda data, start, end: self._header[0].extend(data[start:end]),
                "on_header_value": lambda data, start, end: self._header[1].extend(data[start:end]),
                "on_header_end": self._end_header,
                "on_headers_finished": self._begin_file,
                "on_end": self._end,
            },
        )

    def feed(self, chunk: bytes) -> None:
        """Parse the next bytes; raises BadForm."""
        try:
            self._parser.write(chunk)
        except MultipartParseError as error:
            raise BadForm(f"the form cannot be read ({error}): {_RULE}") from None

    def take(self) -> bytes:
        """The file's bytes since the last call."""
        data = bytes(self.pending)
        self.pending.clear()
        return data

    def check_end(self) -> None:
        """Raise BadForm if the closing boundary is missing: the file may then be incomplete."""
        if not self._ended:
            raise BadForm(
                "the form ends before its closing boundary, so the file may not be whole; send it again"
            )

    def _begin_part(self) -> None:
        self._parts += 1
        if self._parts > 1:
            raise BadForm(
                f"the form has more than one part; {_RULE}, and further files in requests of their own."
                " Nothing of this one was stored",
                code="several_parts",
            )

    def _begin_header(self) -> None:
        self._header = (bytearray(), bytearray())

    def _end_header(self) -> None:
        if bytes(self._header[0]).lower() == b"content-disposition":
            self._disposition = bytes(self._header[1])

    def _begin_file(self) -> None:
        kind, options = parse_options_header(self._disposition)
        name = options.get(b"name", b"").decode("utf-8", "replace")
        if kind != b"form-data" or name != FIELD:
            raise BadForm(f"the form's part is not the field '{FIELD}': {_RULE}")
        filename = options.get(b"filename", b"").decode("utf-8", "replace")
        if not filename.strip():
            raise BadForm(f"the field '{FIELD}' has no filename: {_RULE}, with the file's name")
        self.filename = filename

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        self.pending += data[start:end]

    def _end(self) -> None:
        self._ended = True
