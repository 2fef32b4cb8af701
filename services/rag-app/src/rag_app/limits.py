"""No request may bring more than it should: counted as it arrives, whatever it declares."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rag_app import errors

_FORM_OVERHEAD = 64 * 1024
_ORDINARY_BODY = 1024 * 1024


class BodyLimit:
    """ASGI middleware: bodies over the limit are answered with 413 and not read on."""

    def __init__(self, app: ASGIApp, upload_max_bytes: int, upload_paths: frozenset[str]) -> None:
        """Wrap `app`; only `upload_paths` may take files."""
        self._app = app
        self._upload_max_bytes = upload_max_bytes
        self._upload_paths = upload_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Count the body while the app reads it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        takes_files = scope["path"].rstrip("/") in self._upload_paths
        limit = self._upload_max_bytes + _FORM_OVERHEAD if takes_files else _ORDINARY_BODY
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if not declared.isdigit() or int(declared) > limit:
            await errors.answer(errors.TooLarge(self._shown(takes_files)))(scope, receive, send)
            return
        received = 0

        async def counting_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > limit:
                # FastAPI turns any other exception of a body's reader into a plain 400.
                message_text = errors.TooLarge(self._shown(takes_files)).message
                raise HTTPException(errors.TooLarge.http_status, message_text)
            return message

        await self._app(scope, counting_receive, send)

    def _shown(self, takes_files: bool) -> int:
        return self._upload_max_bytes if takes_files else _ORDINARY_BODY
