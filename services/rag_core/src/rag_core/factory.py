"""Builds each part from the settings. Nothing connects before it is used."""

from __future__ import annotations

from typing import Any

from rag_core.answering.answerer import Answerer
from rag_core.answering.chat import Chat, ChatModel
from rag_core.answering.miscounts import Miscounts
from rag_core.answering.planning import Policy
from rag_core.answering.threads import Threads
from rag_core.extract import Limits, Parser
from rag_core.index.embed import Contract, Embedder, Embedders, OllamaEmbedder
from rag_core.index.reader import IndexReader
from rag_core.index.writer import IndexWriter
from rag_core.ingest.ingestor import Ingestor
from rag_core.ingest.uploads import Uploads
from rag_core.ingest.watch import Watcher
from rag_core.ledger import Ledger
from rag_core.ledger.conversations import Conversations
from rag_core.ledger.remote_tokens import RemoteTokens
from rag_core.ledger.tags import Tags
from rag_core.retrieval.retriever import Retriever
from rag_core.settings import RagSettings


def build_ledger(settings: RagSettings) -> Ledger:
    """Build the ledger; share one per process."""
    return Ledger(settings.ledger_path, max_attempts=settings.ingestion_max_attempts)


def build_conversations(settings: RagSettings) -> Conversations:
    """Build the store of conversations, in the ledger's file."""
    return Conversations(settings.ledger_path)


def build_tags(settings: RagSettings) -> Tags:
    """Build the store of documents' tags, in the ledger's file."""
    return Tags(settings.ledger_path)


def build_uploads(settings: RagSettings, ledger: Ledger) -> Uploads:
    """Build what accepts uploaded files."""
    return Uploads(
        settings.ingestion_input_dir,
        ledger,
        settings.upload_max_mib * 2**20,
        reserve=settings.upload_reserve_mib * 2**20,
    )


def build_remote_tokens(settings: RagSettings) -> RemoteTokens:
    """Build the token counts of remote models, in the ledger's file."""
    return RemoteTokens(settings.ledger_path)


def build_embedder(settings: RagSettings) -> Embedder:
    """Build the embedder (texts to vectors)."""
    local = OllamaEmbedder(
        address=settings.ollama_base_url,
        model=settings.embedding_model_name,
        timeout=settings.embedding_timeout,
        threads=settings.embedding_num_thread,
        chunk_tokens=settings.chunk_tokens,
    )
    if not settings.remote_models:
        return local
    from rag_core.remote.embed import RemoteEmbedder  # see rag_core.remote

    chat = set(settings.chat_models) - {settings.embedding_model_name}
    return Embedders(
        settings.embedding_model_name,
        local,
        {
            # Include models that no setting names: the serving index may have been made with one of them.
            one.name: RemoteEmbedder(
                one,
                address=settings.remote_base_url,
                timeout=settings.embedding_timeout,
                batch=settings.embedding_batch,
                chunk_tokens=settings.chunk_tokens,
                tokens=build_remote_tokens(settings),
            )
            for one in settings.remote_models
            if one.name not in chat
        },
    )


def current_contract(settings: RagSettings, embedder: Embedder, index: IndexReader) -> Contract:
    """Return the contract that a new index would have now.

    A local model may have been replaced under its name, so it is queried again. A remote one is not, since
    that costs money: its dimension is taken from the index.
    """
    remote = settings.remote(settings.embedding_model_name)
    if remote is None:
        embedder.forget()
        return embedder.contract()
    from rag_core.remote.embed import contract  # see rag_core.remote

    stored = index.stored_contract()
    return contract(remote, stored.dimension if stored else 0, settings.chunk_tokens)


def _chat(settings: RagSettings, ledger: Ledger | None) -> Chat:
    miscounts = Miscounts()
    return Chat(
        address=settings.ollama_base_url,
        timeout=settings.ollama_timeout_seconds,
        num_ctx=settings.ollama_num_ctx,
        max_tokens=settings.answer_max_tokens,
        threads=Threads(settings.answer_threads, ledger),
        elsewhere=_remote_chats(settings, miscounts),
        miscounts=miscounts,
    )


def _remote_chats(settings: RagSettings, miscounts: Miscounts) -> dict[str, ChatModel]:
    if not settings.remote_models:
        return {}
    from rag_core.remote.chat import RemoteChat  # see rag_core.remote

    return {
        one.name: RemoteChat(
            one,
            address=settings.remote_base_url,
            timeout=settings.ollama_timeout_seconds,
            max_tokens=settings.answer_max_tokens,
            tokens=build_remote_tokens(settings),
            miscounts=miscounts,
        )
        for one in map(settings.remote, settings.chat_models)
        if one is not None
    }


def build_index(settings: RagSettings) -> IndexReader:
    """Build the reader of the index."""
    return IndexReader(**_index(settings))


def build_index_writer(settings: RagSettings) -> IndexWriter:
    """Build the writer of the index."""
    return IndexWriter(**_index(settings))


def _index(settings: RagSettings) -> dict[str, Any]:
    password = settings.opensearch_password
    return {
        "address": settings.opensearch_host,
        "alias": settings.opensearch_index,
        "user": settings.opensearch_user,
        "password": password.get_secret_value().strip() if password else "",
        "ca": settings.opensearch_ca,
        "timeout": settings.opensearch_timeout,
    }


def build_retriever(settings: RagSettings, ledger: Ledger | None = None) -> Retriever:
    """Build the retriever (questions to passages)."""
    return Retriever(
        index=build_index(settings),
        embedder=build_embedder(settings),
        ledger=ledger or build_ledger(settings),
        tags=build_tags(settings),
        top_k=settings.top_k,
        max_chars=settings.question_max_chars,
    )


def build_answerer(settings: RagSettings, ledger: Ledger | None = None) -> Answerer:
    """Build the answerer (questions to answers)."""
    remote = [one for one in map(settings.remote, settings.chat_models) if one is not None]
    return Answerer(
        retriever=build_retriever(settings, ledger),
        embedder=build_embedder(settings),
        chat=_chat(settings, ledger),
        policy=Policy(
            models=settings.chat_models,
            large_model=settings.ollama_large_model,
            threshold=settings.relevance_threshold,
            unknown_raise=settings.relevance_unknown_raise,
            context_tokens=settings.answer_context_tokens,
            first_word_seconds=settings.first_word_seconds,
            history_tokens=settings.answer_history_tokens,
            max_tokens=settings.answer_max_tokens,
            # The same prompt must fit every model that may answer.
            num_ctx=min([settings.ollama_num_ctx, *(one.window for one in remote)]),
            remembered=settings.answer_cache_size,
            warm_embedder=settings.remote(settings.embedding_model_name) is None,
            hosts=settings.hosts,
        ),
    )


def build_parser(settings: RagSettings) -> Parser:
    """Build the parser (files to blocks)."""
    return Parser(
        Limits(
            stall_seconds=settings.parse_stall_seconds,
            cpu_seconds=settings.parse_cpu_seconds,
            memory_mib=settings.parse_memory_mib,
            max_pages=settings.parse_max_pages,
            ocr_languages="" if settings.ocr_languages == "none" else settings.ocr_languages,
            ocr_page_seconds=settings.ocr_page_seconds,
        )
    )


def build_ingestor(settings: RagSettings, ledger: Ledger, owner: str) -> Ingestor:
    """Build the ingestor (documents to chunks in the index)."""
    return Ingestor(
        ledger=ledger,
        parser=build_parser(settings),
        embedder=build_embedder(settings),
        index=build_index_writer(settings),
        owner=owner,
        batch=settings.embedding_batch,
        uploads_dir=settings.uploads_dir,
    )


def build_watcher(settings: RagSettings, ledger: Ledger) -> Watcher:
    """Build the watcher for files put into the input directory by hand."""
    return Watcher(settings.ingestion_input_dir, ledger, settings.upload_max_mib * 2**20)
