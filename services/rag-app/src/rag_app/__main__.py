"""Run the app: `python -m rag_app`."""

import socket
import threading

import uvicorn
from fastapi import FastAPI
from sse_starlette.sse import AppStatus
from starlette.routing import Mount

from rag_app.app import create_app
from rag_app.settings import AppSettings
from rag_app.ui.page import PATH
from rag_core import logs


class DrainingServer(uvicorn.Server):
    """On shutdown, accept no new requests, let running answers finish and close idle streams at once."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close Gradio's heartbeat streams first: each open browser tab keeps one open."""
        app = self.config.app
        if isinstance(app, FastAPI):
            for route in app.routes:
                if isinstance(route, Mount) and route.path == PATH:
                    route.app.stop_event.set()  # type: ignore[attr-defined]
        await super().shutdown(sockets)


def main() -> None:
    """Serve until stopped; running answers may finish first."""
    settings = AppSettings()
    logs.configure(settings.log_level)
    # By default the library ends every stream when the server stops. Here running answers may
    # finish, within timeout_graceful_shutdown.
    AppStatus.enable_automatic_graceful_drain = False
    app = create_app(settings)
    # In the background: the server starts at once, and the models are loaded by the first question.
    threading.Thread(target=app.state.backend.warm, name="warm-up", daemon=True).start()
    config = uvicorn.Config(
        app,
        host="0.0.0.0",  # noqa: S104 - a container's own network
        port=settings.gradio_server_port,
        log_config=None,
        access_log=False,
        # web_core.edge does this, and trusts only the edge.
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.shutdown_seconds,
    )
    DrainingServer(config).run()


if __name__ == "__main__":
    main()
