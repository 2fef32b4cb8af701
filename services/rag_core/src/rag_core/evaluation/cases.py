"""Questions with what is known about their answers, one JSON object per line."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from rag_core.errors import RagError
from rag_core.models import Frozen

UNANSWERABLE = "unanswerable"
KINDS = (
    "own words",
    "identifier",
    "follow-up",
    "table",
    "near-copy",
    "file name",
    "other language",
    "typing error",
)


class BadCases(RagError):  # noqa: N818 - named for what happened
    """The file of questions cannot be used."""

    code = "bad_questions"
    http_status = 422


class Case(Frozen):
    """A question. A passage is right when it is from one of `documents` and contains one of `says`."""

    question: str = Field(min_length=1)
    kind: Literal[
        "own words",
        "identifier",
        "follow-up",
        "table",
        "near-copy",
        "file name",
        "other language",
        "typing error",
        "unanswerable",
    ]
    documents: tuple[str, ...] = ()
    says: tuple[str, ...] = ()
    after: tuple[str, ...] = ()  # questions asked before in the same conversation

    @property
    def history(self) -> list[tuple[str, str]]:
        """The conversation so far, with empty answers: they do not matter here."""
        return [(question, "") for question in self.after]

    @property
    def answerable(self) -> bool:
        """Whether the documents hold an answer."""
        return self.kind != UNANSWERABLE

    def holds(self, document: str, text: str) -> bool:
        """Whether a passage answers the question."""
        content = _plain(text)
        return document in self.documents and any(_plain(one) in content for one in self.says)

    def within(self, passages: Sequence[tuple[str, str, str]], most: int) -> bool:
        """Whether the answer is in the first `most` words of passages (document, headings, text)."""
        left = most
        for document, title, text in passages:
            words = text.split()
            if self.holds(document, f"{title} {' '.join(words[:left])}"):
                return True
            left -= len(words)
            if left <= 0:
                break
        return False


def load(path: Path) -> list[Case]:
    """The cases of a JSONL file; raises BadCases naming the line."""
    cases = []
    # Split bytes: str.splitlines() also splits at line ends that JSONL does not know.
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip():
            continue
        try:
            case = Case.model_validate(json.loads(line))
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'line'}: {e['msg']}" for e in error.errors())
            raise BadCases(f"{path.name}, line {number}: {wrong}") from error
        except ValueError as error:
            raise BadCases(f"{path.name}, line {number} is not JSON in UTF-8: {error}") from error
        if case.answerable and not (case.documents and case.says):
            raise BadCases(f"{path.name}, line {number}: an answerable question needs `documents` and `says`")
        cases.append(case)
    if not cases:
        raise BadCases(f"{path.name} holds no question; each line is an object with `question` and `kind`")
    return cases


def _plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).lower()
