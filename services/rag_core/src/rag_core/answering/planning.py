"""Plans what a model reads: as many sentences around the hits as fit its window and a time."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping

from pydantic import Field

from rag_core.answering import excerpting, prompt
from rag_core.answering.composing import AnswerContext, Bearing
from rag_core.models import Frozen, Passage

_LEAST_ROOM = 80  # tokens; no useful passage fits into less
# Tokens of passages that are always read, however long it takes: fewer hold the answer less often. The
# figures are in docs/decisions/0098-prompt-fits-a-time.md.
FLOOR = 1150
# The share of `first_word_seconds` that a prompt is sized for: on a busy host reading takes up to twice as
# long.
_PLANNED = 0.5


class Policy(Frozen):
    """How answers are made; see the settings of the same names."""

    models: tuple[str, ...]
    large_model: str
    threshold: float
    unknown_raise: float
    context_tokens: int
    first_word_seconds: float
    history_tokens: int
    max_tokens: int
    num_ctx: int
    remembered: int
    warm_embedder: bool = True  # False: it runs outside this server, and each request costs
    hosts: Mapping[str, str] = Field(default_factory=dict)  # model that runs outside this server -> where


class Plan(Frozen):
    """What a model reads: the passages as shown to it, the same passages in full, and the prompt."""

    model: str
    shown: tuple[Passage, ...]
    given: tuple[Passage, ...]
    nonce: str
    messages: list[dict[str, str]]

    @property
    def tokens(self) -> int:
        """The prompt's estimated size in tokens."""
        return prompt.size(self.messages).most


def plan(
    context: AnswerContext,
    bearing: Bearing,
    policy: Policy,
    model: str,
    tokens_in: Callable[[float], float],
) -> Plan | None:
    """Plan a prompt short enough for the model's first word to come in time; None: no passage fits.

    `tokens_in` returns how many tokens the model reads in so many seconds.
    """
    question = context.question.text
    history = list(context.history)
    sizes = {"num_ctx": policy.num_ctx, "max_tokens": policy.max_tokens}
    room = prompt.room(question, history, **sizes)
    if room < _LEAST_ROOM and history:
        history = []
        room = prompt.room(question, history, **sizes)
    if room < _LEAST_ROOM:
        return None
    around = policy.num_ctx - policy.max_tokens - room
    in_time = tokens_in(_PLANNED * policy.first_word_seconds) - around
    room = int(min(room, max(in_time, FLOOR)))
    shown, given = excerpting.excerpts(bearing.ranks, bearing.passages, policy.context_tokens, room)
    nonce = secrets.token_hex(4)
    messages = prompt.messages(question, shown, nonce, history)
    return Plan(model=model, shown=tuple(shown), given=tuple(given), nonce=nonce, messages=messages)
