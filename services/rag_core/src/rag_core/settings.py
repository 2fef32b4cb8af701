"""All settings of rag_core, read from the environment and from secret files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from rag_core.remote.model import RemoteModel

SECRETS_DIR = Path("/run/secrets")


class RagSettings(BaseSettings):
    """Settings of rag-app and rag-worker; the environment variables are the field names in capitals."""

    model_config = SettingsConfigDict(env_ignore_empty=True, extra="ignore", frozen=True)

    opensearch_host: str = "https://opensearch:9200"
    opensearch_index: str = Field(default="quest-research", pattern=r"^[a-z0-9][a-z0-9_-]{0,120}$")
    opensearch_user: str = ""
    opensearch_password: SecretStr | None = None
    opensearch_ca: str | None = None  # the PEM text itself (secret file opensearch_ca)
    opensearch_timeout: float = Field(default=20.0, gt=0)

    ollama_base_url: str = "http://ollama:11434"
    ollama_model: str = "gemma3:1b"
    ollama_fallback_model: str = "phi3:mini"
    # Asked first for long and hard questions (see answering.routing); empty: none.
    ollama_large_model: str = ""
    ollama_timeout_seconds: float = Field(default=120.0, gt=0)  # for one whole answer of one model
    ollama_num_ctx: int = Field(default=4096, ge=1024)
    embedding_model_name: str = "all-minilm"
    embedding_timeout: float = Field(default=60.0, gt=0)
    embedding_batch: int = Field(default=16, ge=1, le=256)
    # Threads of one request to Ollama. They busy-wait for each other: on two busy cores (load 13), two wrote
    # 60 tokens in 40 to 130 s, one in 3 to 9 s; two read 8 texts in 12 s, one in 3 s. So ingestion takes one,
    # and answers leave one core free (0: one less than this machine has). Worker and app must agree on the
    # first: another number makes Ollama load the model again.
    embedding_num_thread: int = Field(default=1, ge=1, le=64)
    ollama_num_thread: int = Field(default=0, ge=0, le=64)

    # Models among those above that run outside this host, reached through the proxy at this address. Empty:
    # all are in Ollama.
    remote_base_url: str = "http://remote:11435"
    remote_models: tuple[RemoteModel, ...] = ()

    ingestion_input_dir: Path = Path("/data/raw")
    ingestion_poll_seconds: float = Field(default=5.0, gt=0)
    ingestion_max_attempts: int = Field(default=3, ge=1)
    ledger_path: Path = Path("/data/ledger/ledger.sqlite3")
    upload_max_mib: int = Field(default=100, ge=1)
    # Free space that uploads leave: the ledger is on the same disk, and OpenSearch stops allocating indexes
    # when less than 3 GiB are left, and writing when less than 1 GiB.
    upload_reserve_mib: int = Field(default=2048, ge=0)

    parse_stall_seconds: float = Field(
        default=60.0, gt=0
    )  # longest time without output before the parser is killed
    parse_cpu_seconds: int = Field(default=900, ge=1)
    parse_memory_mib: int = Field(default=1024, ge=128)
    parse_max_pages: int = Field(default=10_000, ge=1)
    # Languages of pictures of text, as Tesseract names them ("eng+deu"); "none" reads no pictures.
    ocr_languages: str = Field(default="eng", pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$")
    ocr_page_seconds: float = Field(default=45.0, gt=0)

    # Word pieces of one chunk including headings, [CLS] and [SEP]; all-MiniLM was trained on 256.
    chunk_tokens: int = Field(default=240, ge=32, le=510)

    top_k: int = Field(default=5, ge=1, le=50)
    # Cosine that the nearest passage must reach for the documents to cover a question, unless a passage
    # contains its words; and the increase if none of its words is in any document (proportionally less if
    # some are). Chosen on 120 questions on R's introduction: docs/decisions/0055-relevance.md.
    relevance_threshold: float = Field(default=0.30, ge=-1, le=1)
    relevance_unknown_raise: float = Field(default=0.35, ge=0, le=1)
    answer_max_tokens: int = Field(default=400, ge=16)
    answer_context_tokens: int = Field(default=1000, ge=128)
    # The model gets as much as it reads in this time on this host, but never less than the evaluation sets
    # need: docs/decisions/0098-prompt-fits-a-time.md.
    first_word_seconds: float = Field(default=5.0, ge=1)
    answer_history_tokens: int = Field(default=300, ge=0)  # for a conversation's earlier turns
    answer_cache_size: int = Field(default=200, ge=0)  # answers; 0 keeps none
    question_max_chars: int = Field(default=2000, ge=1)

    @field_validator("opensearch_host", "ollama_base_url", "remote_base_url")
    @classmethod
    def _is_address(cls, value: str) -> str:
        if not value.startswith(("http://", "https://")):
            raise ValueError(f"{value!r} must start with http:// or https://")
        return value.rstrip("/")

    @model_validator(mode="after")
    def _page_before_stall(self) -> RagSettings:
        if self.ocr_page_seconds >= self.parse_stall_seconds:
            raise ValueError(
                f"OCR_PAGE_SECONDS = {self.ocr_page_seconds:g} must be under PARSE_STALL_SECONDS ="
                f" {self.parse_stall_seconds:g}, or a slow page would cost the whole document"
            )
        return self

    @model_validator(mode="after")
    def _fits_the_context(self) -> RagSettings:
        # 512 leaves room for instructions, the question and the marks of passages.
        need = self.answer_context_tokens + self.answer_max_tokens + 512
        if need > self.ollama_num_ctx:
            raise ValueError(
                f"ANSWER_CONTEXT_TOKENS + ANSWER_MAX_TOKENS + 512 = {need} is over "
                f"OLLAMA_NUM_CTX = {self.ollama_num_ctx}: raise OLLAMA_NUM_CTX or lower one of the others"
            )
        for one in map(self.remote, self.chat_models):
            if one is not None and need > one.window:
                raise ValueError(
                    f"ANSWER_CONTEXT_TOKENS + ANSWER_MAX_TOKENS + 512 = {need} is over the window of the"
                    f" remote model {one.name!r}, {one.window}: take another model or lower one of the others"
                )
        return self

    @model_validator(mode="after")
    def _remote_models_differ(self) -> RagSettings:
        for what in ("name", "slug"):
            if len({getattr(one, what) for one in self.remote_models}) < len(self.remote_models):
                raise ValueError(f"two of REMOTE_MODELS have the same {what}")
        return self

    @property
    def chat_models(self) -> tuple[str, ...]:
        """The chat models, in the order in which they are asked."""
        named = (self.ollama_model, self.ollama_fallback_model, self.ollama_large_model)
        return tuple(dict.fromkeys(name for name in named if name))

    @property
    def hosts(self) -> dict[str, str]:
        """Where text is sent for each model that runs outside this host."""
        return {one.name: one.host for one in self.remote_models}

    def remote(self, name: str) -> RemoteModel | None:
        """Return the model of this name if it runs outside this host."""
        return next((one for one in self.remote_models if one.name == name), None)

    @property
    def answer_threads(self) -> tuple[int, ...]:
        """The numbers of threads that are measured to choose one for the chat models."""
        if self.ollama_num_thread:
            return (self.ollama_num_thread,)
        processors = len(os.sched_getaffinity(0))
        return tuple(sorted({processors, max(1, processors - 1), max(1, processors // 2)}))

    @property
    def uploads_dir(self) -> Path:
        """Where uploads are kept, next to files put into the input directory by hand."""
        return self.ingestion_input_dir / "uploads"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Use arguments, then environment, then secret files; these may be missing, as in tests."""
        sources: list[Any] = [init_settings, env_settings]
        chosen = getattr(file_secret_settings, "secrets_dir", None) or SECRETS_DIR
        if Path(str(chosen)).is_dir():
            sources.append(SecretsSettingsSource(settings_cls, secrets_dir=chosen))
        return tuple(sources)
