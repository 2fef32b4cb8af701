"""API schemas of conversations, feedback and figures."""

from datetime import datetime
from typing import Self

from pydantic import BaseModel, Field

from rag_app.schemas.base import Given
from rag_app.schemas.questions import AskAnswer
from rag_core.ledger.conversations import Conversation, Day, Feedback, Summary


class ConversationStart(Given):
    """The title of a new conversation, for example its first question."""

    title: str = Field(min_length=1, max_length=2000)


class ConversationSummary(BaseModel):
    """A conversation in a list."""

    id: str
    title: str
    questions: int
    updated_at: datetime

    @classmethod
    def of(cls, summary: Summary) -> Self:
        """From the store's view."""
        return cls.model_validate(summary.model_dump())


class ConversationList(BaseModel):
    """Conversations, newest first."""

    conversations: list[ConversationSummary]


class ExchangeOut(BaseModel):
    """A question with its answer."""

    id: str
    question: str
    answer: AskAnswer
    asked_at: datetime
    feedback: Feedback | None


class ConversationOut(BaseModel):
    """A conversation, oldest question first."""

    id: str
    title: str
    created_at: datetime
    updated_at: datetime
    exchanges: list[ExchangeOut]

    @classmethod
    def of(cls, one: Conversation) -> Self:
        """From the store's view."""
        return cls(
            id=one.id,
            title=one.title,
            created_at=one.created_at,
            updated_at=one.updated_at,
            exchanges=[
                ExchangeOut(
                    id=exchange.id,
                    question=exchange.question,
                    answer=AskAnswer.of(exchange.answer, exchange.id),
                    asked_at=exchange.asked_at,
                    feedback=exchange.feedback,
                )
                for exchange in one.exchanges
            ],
        )


class FeedbackIn(Given):
    """The rating of an answer."""

    feedback: Feedback | None


class Insights(BaseModel):
    """Figures by day."""

    days: list[Day]
