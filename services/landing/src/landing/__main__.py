"""Run the landing service: `python -m landing`."""

import uvicorn

from landing.app import create_app
from landing.settings import LandingSettings
from rag_core import logs


def main() -> None:
    """Serve until stopped; running requests may finish first."""
    settings = LandingSettings()
    logs.configure(settings.log_level)
    uvicorn.run(
        create_app(settings),
        host="0.0.0.0",  # noqa: S104 - a container's own network
        port=settings.landing_port,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_graceful_shutdown=20,
    )


if __name__ == "__main__":
    main()
