"""Prometheus metrics: some are counted with each answer, the rest are read on request."""

from collections.abc import Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from rag_core.models import Answer, DocumentState
from rag_core.remote.model import RemoteModel

_REGISTRY = CollectorRegistry(auto_describe=True)
_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 40, 80, 160)

_ANSWERS = Counter(
    "ragdock_answers",
    "Answers given, by the model that wrote them and why they are less than whole (reason; none: whole).",
    ["model", "reason", "cached"],
    registry=_REGISTRY,
)
_STEPS = Histogram(
    "ragdock_answer_seconds",
    "Seconds of each step of an answer; first_token counts from the question.",
    ["step"],
    buckets=_SECONDS,
    registry=_REGISTRY,
)
_TOKENS = Counter("ragdock_answer_tokens", "Tokens read and written.", ["model", "kind"], registry=_REGISTRY)
_SENTENCES = Counter(
    "ragdock_answer_sentences", "Sentences of answers, by support.", ["supported"], registry=_REGISTRY
)
_REFUSED = Counter("ragdock_questions_turned_away", "Questions that found the line full.", registry=_REGISTRY)


def answered(answer: Answer) -> None:
    """Count an answer."""
    model = answer.model or "none"
    _ANSWERS.labels(model, answer.reason or "none", str(answer.cached).lower()).inc()
    for step, seconds in answer.timings.model_dump().items():
        if seconds is not None:
            _STEPS.labels(step).observe(seconds)
    if answer.cached:
        return
    if answer.tokens is not None:
        _TOKENS.labels(model, "prompt").inc(answer.tokens.prompt)
        _TOKENS.labels(model, "answer").inc(answer.tokens.answer)
    for sentence in answer.sentences:
        _SENTENCES.labels(str(bool(sentence.citations)).lower()).inc()


def turned_away() -> None:
    """Count a question that was refused because the queue was full."""
    _REFUSED.inc()


def exposition(
    *,
    documents: dict[DocumentState, int],
    in_line: int,
    partly_read: int = 0,
    words_seen: int = 0,
    words_lost: int = 0,
    miscounts: Mapping[tuple[str, str], int] | None = None,
    remote_models: Sequence[RemoteModel] = (),
    remote_tokens: Mapping[tuple[str, str], int] | None = None,
) -> bytes:
    """All metrics in Prometheus' text format; `partly_read` counts documents with unread parts."""
    now = CollectorRegistry(auto_describe=True)
    # The worker has no endpoint: it stores its totals in the ledger.
    seen = Counter("ragdock_ingested_words", "Words that parsers gave of documents.", registry=now)
    seen.inc(words_seen)
    lost = Counter(
        "ragdock_ingested_words_lost", "Words of these that are in no chunk; any is a fault.", registry=now
    )
    lost.inc(words_lost)
    miscounted = Counter(
        "ragdock_prompts_miscounted",
        "Prompts that a model found longer than counted (over, refused) or read only in part (cut).",
        ["model", "how"],
        registry=now,
    )
    for (model, how), count in (miscounts or {}).items():
        miscounted.labels(model, how).inc(count)
    _remote(now, remote_models, remote_tokens or {})
    by_state = Gauge("ragdock_documents", "Documents by state.", ["state"], registry=now)
    for state, count in documents.items():
        by_state.labels(state.value).set(count)
    partly = Gauge(
        "ragdock_documents_partly_read", "Ready documents with a part that could not be read.", registry=now
    )
    partly.set(partly_read)
    line = Gauge("ragdock_questions_in_line", "Questions served or waiting.", registry=now)
    line.set(in_line)
    return generate_latest(_REGISTRY) + generate_latest(now)


def _remote(
    now: CollectorRegistry, models: Sequence[RemoteModel], tokens: Mapping[tuple[str, str], int]
) -> None:
    """Add the metrics of models outside this server; their counts outlive the process."""
    used = Counter(
        "ragdock_remote_tokens",
        "Tokens that remote models read and wrote (prompt, answer, embed).",
        ["model", "kind"],
        registry=now,
    )
    for (model, kind), count in tokens.items():
        used.labels(model, kind).inc(count)
    budget = Gauge(
        "ragdock_remote_budget_tokens",
        "Tokens that a remote model may use in a day (UTC).",
        ["model"],
        registry=now,
    )
    for one in models:
        if one.tokens_per_day:
            budget.labels(one.name).set(one.tokens_per_day)
