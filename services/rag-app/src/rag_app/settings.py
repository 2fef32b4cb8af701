"""Settings of the app: those of rag_core, and its own."""

from pathlib import Path

from pydantic import Field, SecretStr, field_validator

from rag_core.settings import RagSettings

_SHORTEST_SECRET = 16


class AppSettings(RagSettings):
    """Settings read from the environment and the files in /run/secrets, once at startup."""

    gradio_server_port: int = Field(default=7860, ge=1, le=65535)
    app_user: str = Field(default="ragdock", min_length=1)
    app_password: SecretStr
    api_token: SecretStr
    session_key: SecretStr
    session_hours: float = Field(default=12.0, gt=0)

    edge_host: str = "edge"
    """Name of the only peer whose X-Forwarded-* headers are trusted."""
    release_file: Path = Path("/etc/ragdock/release.json")
    """The record of the release being served, shown by /api/status."""

    ask_slots: int = Field(default=1, ge=1)
    """Questions that this host's models answer at the same time: one answer uses all cores of a small host.
    A remote model has its own number, `parallel`."""
    ask_waiting: int = Field(default=20, ge=0)
    """Questions that may wait for a slot of the same model; further ones are refused with Retry-After."""
    upload_slots: int = Field(default=6, ge=1)
    """Uploads received at the same time; further ones are refused with Retry-After."""
    shutdown_seconds: int = Field(default=100, ge=1)
    """How long running answers may continue after the container is stopped."""
    log_level: str = "INFO"

    @field_validator("app_password", "api_token", "session_key")
    @classmethod
    def _is_not_a_placeholder(cls, value: SecretStr) -> SecretStr:
        if len(value.get_secret_value().strip()) < _SHORTEST_SECRET:
            raise ValueError(
                f"is shorter than {_SHORTEST_SECRET} characters: the deployment makes these secrets,"
                " check for an empty file in /run/secrets"
            )
        return SecretStr(value.get_secret_value().strip())

    @property
    def incoming_dir(self) -> Path:
        """Where uploads are written while they arrive: on the documents' disk, not in memory."""
        return self.uploads_dir / ".incoming"

    @property
    def upload_max_bytes(self) -> int:
        """The largest file accepted."""
        return self.upload_max_mib * 1024 * 1024
