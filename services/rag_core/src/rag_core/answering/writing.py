"""Has a chat model write an answer, and ends it when it is too long or goes round in circles."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass

import structlog

from rag_core.answering import prompt
from rag_core.answering.chat import CUT_BY_LENGTH, Chat, Ending
from rag_core.answering.composing import Stopwatch
from rag_core.answering.planning import Plan, Policy
from rag_core.errors import InputTooLong
from rag_core.models import AnswerEvent, Frozen, Passage, Question, Token

CUT_BY_REPETITION = "cut_by_repetition"
_CHARS_OF_TOKEN = 16  # upper limit of characters per token of an answer

_log = structlog.get_logger()


class Draft(Frozen):
    """What a model wrote, how it ended, and the passages that it was given."""

    text: str
    ending: Ending
    given: tuple[Passage, ...]


@dataclass(frozen=True, slots=True)
class Writer:
    """Asks chat models; `note` gets each prompt that a model has read to the end, and how that went."""

    chat: Chat
    policy: Policy
    note: Callable[[str, list[dict[str, str]], Ending], None]

    def draft(self, plan: Plan, question: Question, watch: Stopwatch) -> Generator[AnswerEvent, None, Draft]:
        """Yield the tokens of an answer; raises RagError. Closing the iterator stops the model."""
        watch.first_token = None  # a model that failed may have written a word
        try:
            return (yield from self._written(plan, question, watch))
        except InputTooLong:
            if watch.first_token is not None:
                raise
            # The prompt has more tokens than estimated: retry with one that fits with any tokenizer.
            room = self.policy.num_ctx - self.policy.max_tokens
            fewer, messages = prompt.surely_fitting(question.text, plan.shown, plan.nonce, room)
            fitting = {"messages": messages, "given": plan.given[: len(fewer)]}
            return (yield from self._written(plan.model_copy(update=fitting), question, watch))

    def _written(
        self, plan: Plan, question: Question, watch: Stopwatch
    ) -> Generator[AnswerEvent, None, Draft]:
        stream = self.chat.stream(plan.model, plan.messages, timeout=question.timeout)
        text = ""
        try:
            while True:
                try:
                    piece = next(stream)
                except StopIteration as end:
                    ending: Ending = end.value
                    self.note(plan.model, plan.messages, ending)
                    break
                if watch.first_token is None:
                    watch.first_token = watch.now()
                text += piece
                yield Token(text=piece)
                if cut := self._cut(text):
                    # The model is stopped, and so it reports no figures.
                    _log.info("answer cut", model=plan.model, cut=cut)
                    ending = Ending(cut=cut)
                    break
        finally:
            stream.close()
        return Draft(text=text, ending=ending, given=plan.given)

    def _cut(self, text: str) -> str | None:
        # One token may hold many blanks or line ends.
        if len(text) > self.policy.max_tokens * _CHARS_OF_TOKEN:
            return CUT_BY_LENGTH
        return CUT_BY_REPETITION if prompt.going_round(text) else None
