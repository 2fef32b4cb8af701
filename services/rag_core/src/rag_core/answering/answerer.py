"""From a question to an answer: retrieve, let a model write, cite what supports each sentence."""

from __future__ import annotations

import secrets
from collections.abc import Generator, Hashable, Sequence
from functools import partial

import structlog

from rag_core.answering import composing, followups, planning, prompt, quoting, routing
from rag_core.answering.aside import Aside
from rag_core.answering.chat import Chat, Ending
from rag_core.answering.composing import AnswerContext, Bearing, Evidence, Stopwatch
from rag_core.answering.planning import Plan, Policy
from rag_core.answering.rates import ReadingRates
from rag_core.answering.remembered import AnswerCache
from rag_core.answering.writing import Writer
from rag_core.errors import (
    InputTooLong,
    ModelMissing,
    ModelRefused,
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
    Passage,
    Question,
    Reading,
    Retrieved,
    Switched,
    Tokens,
)
from rag_core.retrieval import relevance
from rag_core.retrieval.relevance import Verdict
from rag_core.retrieval.retriever import Found, Retriever
from rag_core.support import citing

_WARM = "The first question is read as fast as any other when the model has been asked before. " * 8

_log = structlog.get_logger()


class Answerer:
    """Answers questions."""

    def __init__(self, *, retriever: Retriever, embedder: Embedder, chat: Chat, policy: Policy) -> None:
        self._retriever = retriever
        self._embedder = embedder
        self._chat = chat
        self._policy = policy
        self._cache = AnswerCache(policy.remembered)
        self._rates = ReadingRates()
        self._aside = Aside(policy.hosts)

    def models(self) -> list[str]:
        """Return the chat models a user may choose: the default first, then its fallbacks."""
        return list(self._policy.models)

    def warm(self) -> None:
        """Load the embedder and the first chat model of this host, and measure it; raises RagError.

        A remote model is never asked, since that costs money. The one that answers when it fails must be as
        fast as a first one: an unmeasured model gets the smallest number of threads.
        """
        if self._policy.warm_embedder:
            self._embedder.embed([_WARM])
        model = next((one for one in self._policy.models if one not in self._policy.hosts), None)
        if model is not None:
            messages = prompt.messages(_WARM, [], secrets.token_hex(4))
            self._note(model, messages, self._chat.warm(model, messages))

    def first_model(self, question: Question) -> str:
        """Return the model that would be asked first now; whether it exists is checked when it is asked."""
        return self._aside.first(self._route(question).models)

    def answer(self, question: Question) -> Answer:
        """Return the whole answer at once."""
        for event in self.ask(question):
            if isinstance(event, Done):
                return event.answer
        raise Unavailable("the answer broke off; ask again")

    def ask(self, question: Question) -> Generator[AnswerEvent, None, None]:
        """Yield the events of one answer, Done last. Closing the iterator stops the model."""
        watch = Stopwatch()
        context = self._context(question)
        key = self._key(context)
        # Changing a tag does not change the ledger's generation, so answers filtered by tags are not cached.
        lasting = question.filters is None or not question.filters.tags
        known = self._cache.get(key) if lasting and not question.fresh else None
        if known is not None:
            yield Retrieved(passages=known.passages, query=context.query, needs_model=False)
            yield Done(answer=known.model_copy(update={"timings": watch.timings()}))
            return
        while True:
            evidence = self._evidence(context)
            watch.retrieved = watch.now()
            bearing = self._bearing(context, evidence)
            first = self._aside.first(context.route.models)
            yield self._retrieved(context, evidence, bearing, first)
            # The consumer of the events may wait here until a model is free; that time does not count.
            watch.skip(watch.now() - watch.retrieved)
            searched, key = key, self._key(context)
            if not evidence.verdict.relevant or key == searched:
                break
        if evidence.verdict.relevant:
            answer = yield from self._written(context, evidence, bearing, first, watch)
        else:
            answer = composing.not_covered(context, evidence, watch)
        # An answer with remarks is not cached: a remote model that failed now may work next time.
        # What was searched in an older state of the documents is no answer in the newer one.
        if evidence.found.by_meaning and lasting and not answer.remarks:
            self._cache.put(searched, answer)
        yield Done(answer=answer)

    def miscounts(self) -> dict[tuple[str, str], int]:
        """Return how many prompts had another token count than estimated, by model and kind."""
        return dict(self._chat.miscounts)

    def judge(self, question: str, history: Sequence[tuple[str, str]] = ()) -> Verdict:
        """Decide whether the documents hold anything on the question, without asking a chat model."""
        query = followups.standalone(self._retriever.checked(question), history)
        return self._judged(query, self._retriever.find(query))

    def close(self) -> None:
        """Close the connections."""
        self._retriever.close()
        self._embedder.close()
        self._chat.close()

    def _context(self, question: Question) -> AnswerContext:
        models = self._policy.models
        if question.model is not None and question.model not in models:
            raise QuestionRefused(
                f"the model {question.model!r} is not one of {', '.join(models)}; choose one of these",
                code="unknown_model",
            )
        text = self._retriever.checked(question.text)
        return AnswerContext(
            question=question.model_copy(update={"text": text}),
            query=followups.standalone(text, question.history),
            history=tuple(prompt.remembered(question.history, self._policy.history_tokens)),
            route=self._route(question),
        )

    def _route(self, question: Question) -> routing.Route:
        policy = self._policy
        return routing.route(
            question.text.strip(),
            models=policy.models,
            large=policy.large_model,
            chosen=question.model,
            remote=policy.hosts,
        )

    def _key(self, context: AnswerContext) -> Hashable:
        question = context.question
        return (
            question.text.casefold(),
            context.history,
            context.query.casefold(),
            context.route.models,
            question.top_k,
            (question.filters or Filters()).model_dump_json(),
            self._retriever.generation(),
        )

    def _evidence(self, context: AnswerContext) -> Evidence:
        question = context.question
        found = self._retriever.find(
            context.query, question.top_k, filters=question.filters, timeout=question.timeout
        )
        return Evidence(found=found, verdict=self._judged(context.query, found))

    def _bearing(self, context: AnswerContext, evidence: Evidence) -> Bearing:
        if not evidence.verdict.relevant:
            return Bearing()
        passages = relevance.bearing(context.query, evidence.found.passages)
        return Bearing(tuple(passages), tuple(quoting.ranked(context.query, passages, evidence.found.words)))

    def _retrieved(
        self, context: AnswerContext, evidence: Evidence, bearing: Bearing, first: str
    ) -> Retrieved:
        relevant = evidence.verdict.relevant
        return Retrieved(
            passages=evidence.found.passages,
            query=context.query,
            quotes=quoting.quotes(bearing.ranks),
            needs_model=relevant,
            model=first if relevant else None,
        )

    def _reading(self, plan: Plan) -> Reading:
        seconds = self._rates.seconds_of(self._chat.reader(plan.model), plan.tokens)
        return Reading(model=plan.model, passages=len(plan.shown), seconds=seconds)

    def _judged(self, query: str, found: Found) -> Verdict:
        return relevance.judge(
            query,
            found.passages,
            found.words,
            threshold=self._policy.threshold,
            unknown_raise=self._policy.unknown_raise,
        )

    def _plan(self, context: AnswerContext, bearing: Bearing, model: str) -> Plan:
        """Plan what a model reads, which takes longer than to choose quotes; raises QuestionRefused."""
        tokens_in = partial(self._rates.tokens_in, self._chat.reader(model))
        plan = planning.plan(context, bearing, self._policy, model, tokens_in)
        if plan is None:
            raise QuestionRefused(
                "the question fills the model's whole window, no passage fits beside it; shorten it",
                code="question_too_long",
            )
        return plan

    def _written(
        self,
        context: AnswerContext,
        evidence: Evidence,
        bearing: Bearing,
        first: str,
        watch: Stopwatch,
    ) -> Generator[AnswerEvent, None, Answer]:
        plan = self._plan(context, bearing, first)
        hosts = self._policy.hosts
        writer = Writer(self._chat, self._policy, self._note)
        remarks = composing.remarks(evidence)
        why = ""
        for place, model in enumerate(context.route.models):
            if (left_out := self._aside.reason(model)) is not None:
                remarks.append(composing.sentence(left_out))
                why = left_out
                continue
            if model != plan.model:
                switching = watch.now()
                yield Switched(
                    model=model, reason=why or f"{model} can be asked again", host=hosts.get(model)
                )
                watch.skip(watch.now() - switching)
                plan = self._plan(context, bearing, model)
            yield self._reading(plan)
            try:
                with self._aside.asking(model, self._own_limit(context.question)):
                    draft = yield from writer.draft(plan, context.question, watch)
            except (Unavailable, ModelMissing, ModelRefused, InputTooLong) as error:
                why = error.message
                if model in hosts:
                    remarks.append(composing.sentence(why))
                continue
            written = prompt.without_fences(draft.text, plan.nonce).strip()
            if not written:
                why = f"{model} gave an empty answer"
                continue
            watch.generated = watch.now()
            cited = self._cited(written, draft.given, context.question.timeout)
            if place and draft.ending.cut and not remarks:
                remarks.append(f"The first model did not answer; {model} did.")
            return composing.composed(
                cited.text,
                context,
                evidence,
                watch,
                given=draft.given,
                citations=cited.citations,
                sentences=cited.sentences,
                model=model,
                host=hosts.get(model),
                remarks=tuple(remarks),
                degraded=bool(place),
                reason=draft.ending.cut or ("fallback_model" if place else None),
                # A model that was stopped has not reported its token counts.
                tokens=Tokens(prompt=draft.ending.prompt_tokens, answer=draft.ending.answer_tokens)
                if draft.ending.prompt_tokens
                else None,
            )
        watch.generated = watch.now()
        return composing.extractive(context, evidence, watch, plan.given, remarks)

    def _own_limit(self, question: Question) -> float | None:
        """Return the question's own time limit if it is shorter than the deployment's."""
        limit = question.timeout
        return limit if limit is not None and limit < self._chat.timeout else None

    def _note(self, model: str, messages: list[dict[str, str]], ending: Ending) -> None:
        """Record how fast the model read; a model that was stopped has reported nothing."""
        if ending.prompt_tokens:
            share = ending.read_tokens / ending.prompt_tokens
            reader = (model, ending.threads)
            self._rates.note(reader, prompt.size(messages).most * share, ending.read_seconds)
            _log.info("prompt read", model=model, **ending.model_dump(exclude={"cut"}))

    def _cited(self, text: str, given: Sequence[Passage], timeout: float | None) -> citing.Cited:
        try:
            with self._embedder.within(timeout) as embedder:
                return citing.cite(text, given, embedder.embed)
        except RagError:
            # Compare words only: a missed citation is better than a lost answer.
            return citing.cite(text, given, None)
