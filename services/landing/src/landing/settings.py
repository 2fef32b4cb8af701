"""Settings of the landing page, read from the environment once at start."""

import re
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Provider = Literal["plausible", "google"]

_ID_FORMS: dict[Provider, tuple[re.Pattern[str], str]] = {
    "plausible": (
        re.compile(r"(?=.{4,253}\Z)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+"),
        "the site's domain, for example docs.example.org",
    ),
    "google": (re.compile(r"G-[A-Z0-9]{4,16}"), "a measurement id such as G-AB12CD34EF"),
}


class LandingSettings(BaseSettings):
    """Settings of the landing page."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    landing_port: int = Field(default=3000, ge=1, le=65535)
    app_url: str = "/app/"
    """Where the launch button leads: a path of this site, or a whole http(s) URL."""

    count_launches: bool = True
    """Write LaunchAppClicked to the CSV file, whether or not a provider is enabled."""
    analytics_csv_path: Path = Path("/data/analytics/analytics.csv")
    analytics_whole_address: bool = False
    """Keep client addresses whole instead of shortening them to /24 or /48."""
    analytics_max_bytes: int = Field(default=5 * 1024 * 1024, ge=256)
    """The CSV file is rotated before it exceeds this size."""
    analytics_keep_files: int = Field(default=20, ge=1)
    """How many rotated files are kept; the oldest are deleted first."""
    analytics_enabled: bool = False
    """Load the provider's script."""
    analytics_provider: Provider = "plausible"
    analytics_id: str = ""

    edge_host: str = "edge"
    """Name of the only peer whose X-Forwarded-* headers are trusted."""
    log_level: str = "INFO"

    @field_validator("app_url")
    @classmethod
    def _leads_somewhere_safe(cls, value: str) -> str:
        parts = urlsplit(value)
        own_path = value.startswith("/") and not value.startswith("//") and "\\" not in value
        whole_url = parts.scheme in {"http", "https"} and bool(parts.hostname)
        if not (own_path or whole_url) or any(character <= " " for character in value):
            raise ValueError(f"APP_URL is {value!r}: give a path such as /app/ or an http(s) URL")
        return value

    @model_validator(mode="after")
    def _id_fits_provider(self) -> Self:
        if not self.analytics_enabled:
            return self
        form, example = _ID_FORMS[self.analytics_provider]
        if not form.fullmatch(self.analytics_id):
            raise ValueError(
                f"ANALYTICS_ID is {self.analytics_id!r}: ANALYTICS_PROVIDER={self.analytics_provider}"
                f" needs {example}; set ANALYTICS_ENABLED=false to load no script"
            )
        return self
