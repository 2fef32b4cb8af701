"""A question to an answer: retrieve, let a model write, attach what holds each sentence up."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Hashable, Sequence

from rag_core.answering import followups, prompt, routing
from rag_core.answering.asked import Asked, Policy
from rag_core.answering.chat import CUT_BY_LENGTH, Chat, Ending
from rag_core.answering.remembered import AnswerCache
from rag_core.errors import (
    InputTooLong,
    ModelMissing,
    OllamaRefused,
    QuestionRefused,
    RagError,
    Unavailable,
)
from rag_core.index.embed import Embedder
from rag_core.models import (
    Answer,
    AnswerEvent,
    Done,
    Filters,
    Retrieved,
    Switched,
    Token,
    Tokens,
)
from rag_core.retrieval import relevance
from rag_core.retrieval.relevance import Verdict
from rag_core.retrieval.retriever import Found, Retriever
from rag_core.support import citing

CUT_BY_REPETITION = "cut_by_repetition"
_CHARS_OF_TOKEN = 16  # an answer has no more characters than so many times its tokens
_LEAST_ROOM = 80  # tokens; less holds no passage worth reading


class Answerer:
    """Answers questions."""

    def __init__(self, *, retriever: Retriever, embedder: Embedder, chat: Chat, policy: Policy) -> None:
        self._retriever = retriever
        self._embedder = embedder
        self._chat = chat
        self._policy = policy
        self._cache = AnswerCache(policy.remembered)

    def models(self) -> list[str]:
        """The chat models a person may choose; the first is the default, the rest stand in when it fails."""
        return list(self._policy.models)

    def answer(
        self,
        question: str,
        *,
        model: str | None = None,
        top_k: int | None = None,
        timeout: float | None = None,
        history: Sequence[tuple[str, str]] = (),
        filters: Filters | None = None,
        fresh: bool = False,
    ) -> Answer:
        """The whole answer at once."""
        for event in self.ask(
            question,
            model=model,
            top_k=top_k,
            timeout=timeout,
            history=history,
            filters=filters,
            fresh=fresh,
        ):
            if isinstance(event, Done):
                return event.answer
        raise Unavailable("the answer broke off; ask again")

    def ask(
        self,
        question: str,
        *,
        model: str | None = None,
        top_k: int | None = None,
        timeout: float | None = None,
        history: Sequence[tuple[str, str]] = (),
        filters: Filters | None = None,
        fresh: bool = False,
    ) -> Generator[AnswerEvent, None, None]:
        """Events of one answer, Done last. Closing the iterator stops the model.

        `history` holds earlier questions with their answers, oldest first; `timeout` shortens the
        deployment's own; `fresh` asks again what the cache could answer.
        """
        asked = self._asked(question, model, top_k, timeout, history)
        key = self._key(asked, filters)
        # Tags change without a new generation of the index.
        lasting = filters is None or not filters.tags
        known = self._cache.get(key) if lasting and not fresh else None
        if known is not None:
            yield Retrieved(passages=known.passages, query=asked.query)
            yield Done(answer=known.model_copy(update={"timings": asked.timings()}))
            return
        asked.found = self._retriever.find(asked.query, top_k, filters=filters, timeout=timeout)
        asked.retrieved = asked.now()
        asked.verdict = self._judged(asked.query, asked.found)
        yield Retrieved(passages=asked.found.passages, query=asked.query)
        if asked.verdict.relevant:
            answer = yield from self._written(asked)
        else:
            answer = asked.nothing()
        if asked.found.by_meaning and lasting:
            self._cache.put(key, answer)
        yield Done(answer=answer)

    def miscounts(self) -> dict[tuple[str, str], int]:
        """Prompts whose tokens were not as counted, by model and how."""
        return dict(self._chat.miscounts)

    def judge(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Verdict:
        """Whether the documents hold anything on the question; no model is asked."""
        query = followups.standalone(self._retriever.checked(question), history)
        return self._judged(query, self._retriever.find(query))

    def close(self) -> None:
        """Close the connections."""
        self._retriever.close()
        self._embedder.close()
        self._chat.close()

    def _asked(
        self,
        question: str,
        model: str | None,
        top_k: int | None,
        timeout: float | None,
        history: Sequence[tuple[str, str]],
    ) -> Asked:
        models = self._policy.models
        if model is not None and model not in models:
            raise QuestionRefused(
                f"the model {model!r} is not one of {', '.join(models)}; choose one of these",
                code="unknown_model",
            )
        question = self._retriever.checked(question)
        return Asked(
            question=question,
            query=followups.standalone(question, history),
            top_k=top_k,
            timeout=timeout,
            history=prompt.remembered(history, self._policy.history_tokens),
            route=routing.route(question, models=models, large=self._policy.large_model, chosen=model),
        )

    def _key(self, asked: Asked, filters: Filters | None) -> Hashable:
        kept = (filters or Filters()).model_dump_json()
        return (
            asked.question.casefold(),
            tuple(asked.history),
            asked.query.casefold(),
            asked.route.models,
            asked.top_k,
            kept,
            self._retriever.generation(),
        )

    def _judged(self, query: str, found: Found) -> Verdict:
        return relevance.judge(
            query,
            found.passages,
            found.words,
            threshold=self._policy.threshold,
            unknown_raise=self._policy.unknown_raise,
        )

    def _written(self, asked: Asked) -> Generator[AnswerEvent, None, Answer]:
        policy = self._policy
        sizes = {"num_ctx": policy.num_ctx, "max_tokens": policy.max_tokens}
        room = prompt.room(asked.question, asked.history, **sizes)
        if room < _LEAST_ROOM and asked.history:
            asked.history = []
            room = prompt.room(asked.question, [], **sizes)
        if room < _LEAST_ROOM:
            raise QuestionRefused(
                "the question fills the model's whole window, no passage fits beside it; shorten it",
                code="question_too_long",
            )
        bearing = relevance.bearing(asked.query, asked.found.passages)
        asked.given = prompt.fitting(bearing, policy.context_tokens, room)
        nonce = secrets.token_hex(4)
        messages = prompt.messages(asked.question, asked.given, nonce, asked.history)
        models = asked.route.models
        for place, model in enumerate(models):
            text: list[str] = []
            try:
                try:
                    ending = yield from self._tokens(model, messages, text, asked)
                except InputTooLong:
                    # Its tokens are more than was counted: a prompt that no model finds too long is next.
                    asked.given, messages = prompt.surely_fitting(
                        asked.question, asked.given, nonce, self._chat.window
                    )
                    ending = yield from self._tokens(model, messages, text, asked)
            except (Unavailable, ModelMissing, OllamaRefused, InputTooLong) as error:
                if place + 1 < len(models):
                    yield Switched(model=models[place + 1], reason=error.message)
                continue
            written = prompt.without_fences("".join(text), nonce).strip()
            if not written:
                if place + 1 < len(models):
                    yield Switched(model=models[place + 1], reason=f"{model} gave an empty answer")
                continue
            asked.generated = asked.now()
            # A model that was stopped has not told its count.
            if ending.prompt_tokens:
                asked.tokens = Tokens(prompt=ending.prompt_tokens, answer=ending.answer_tokens)
            reason = ending.cut or ("fallback_model" if place else None)
            return self._cited(written, asked, model, reason, degraded=bool(place))
        asked.generated = asked.now()
        return asked.passages_only()

    def _tokens(
        self, model: str, messages: list[dict[str, str]], text: list[str], asked: Asked
    ) -> Generator[AnswerEvent, None, Ending]:
        stream = self._chat.stream(model, messages, timeout=asked.timeout)
        written = 0
        try:
            while True:
                try:
                    piece = next(stream)
                except StopIteration as end:
                    ending: Ending = end.value
                    return ending
                if asked.first_token is None:
                    asked.first_token = asked.now()
                text.append(piece)
                yield Token(text=piece)
                # A token may be many blanks or line ends.
                if (written := written + len(piece)) > self._policy.max_tokens * _CHARS_OF_TOKEN:
                    return Ending(cut=CUT_BY_LENGTH)
                if prompt.going_round("".join(text)):
                    return Ending(cut=CUT_BY_REPETITION)
        finally:
            stream.close()

    def _cited(self, text: str, asked: Asked, model: str, reason: str | None, *, degraded: bool) -> Answer:
        try:
            with self._embedder.within(asked.timeout) as embedder:
                cited = citing.cite(text, asked.given, embedder.embed)
        except RagError:
            # The words alone decide; a missed citation is better than a lost answer.
            cited = citing.cite(text, asked.given, None)
        return asked.answer(
            cited.text,
            citations=cited.citations,
            sentences=cited.sentences,
            model=model,
            degraded=degraded,
            reason=reason,
        )
