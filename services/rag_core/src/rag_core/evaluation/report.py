"""The results of an evaluation: figures, and the same as a table, JSON and a picture."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from rag_core.evaluation import measures
from rag_core.evaluation.cases import KINDS, Case
from rag_core.models import Frozen

if TYPE_CHECKING:
    from rich.table import Table


WITHIN = (600, 2000)  # words that a reader, or a model, is given


class Outcome(Frozen):
    """The result of one question."""

    case: Case
    right: tuple[bool, ...]
    refused: bool
    within: tuple[bool, bool] = (False, False)  # the first 600 and 2,000 words hold the answer
    seconds: float
    cited: tuple[bool, ...] = ()
    supported: tuple[bool, ...] = ()  # each sentence that a model wrote
    answer_seconds: float | None = None
    first_token_seconds: float | None = None
    without_model: bool = False


class Report(Frozen):
    """All outcomes, and the figures over them."""

    outcomes: tuple[Outcome, ...]

    def figures(self) -> dict[str, float]:
        """Name -> figure; shares are between 0 and 1. Figures with nothing to count are left out."""
        asked = [one for one in self.outcomes if one.case.answerable]
        found: dict[str, float] = {"questions": len(self.outcomes)}
        kinds: list[tuple[str, Sequence[Outcome]]] = [("", asked)]
        kinds += [
            (f" ({kind})", [one for one in asked if one.case.kind == kind])
            for kind in KINDS
            if any(one.case.kind == kind for one in asked)
        ]
        for suffix, some in kinds:
            found[f"hit@1{suffix}"] = _mean(some, lambda one: measures.hit(one.right, 1))
            found[f"hit@3{suffix}"] = _mean(some, lambda one: measures.hit(one.right, 3))
            found[f"hit@5{suffix}"] = _mean(some, lambda one: measures.hit(one.right, 5))
            for place, most in enumerate(WITHIN):
                held = [float(one.within[place]) for one in some]
                found[f"within {most} words{suffix}"] = measures.mean(held)
            found[f"MRR@10{suffix}"] = _mean(some, lambda one: measures.reciprocal_rank(one.right))
            found[f"nDCG@10{suffix}"] = _mean(
                some, lambda one: measures.ndcg(one.right, relevant=len(one.case.documents))
            )
        found["refused, answerable"] = _mean(asked, lambda one: float(one.refused))
        beyond = [one for one in self.outcomes if not one.case.answerable]
        if beyond:
            found["refused, unanswerable"] = _mean(beyond, lambda one: float(one.refused))
        found |= self._seconds("retrieval", [one.seconds for one in self.outcomes])
        written = [one for one in self.outcomes if one.answer_seconds is not None]
        if written:
            cited = [float(right) for one in asked for right in one.cited]
            if cited:
                found["citation precision"] = measures.mean(cited)
            sentences = [float(one) for outcome in asked for one in outcome.supported]
            if sentences:
                found["sentences supported"] = measures.mean(sentences)
            found["answers with a citation"] = _mean(asked, lambda one: float(bool(one.cited)))
            found["answered without a model"] = _mean(written, lambda one: float(one.without_model))
            # A refusal asks no model and takes hardly any time.
            by_model = [one for one in written if one.first_token_seconds is not None]
            found |= self._seconds("answer", [one.answer_seconds or 0.0 for one in by_model])
            first = [one.first_token_seconds for one in by_model if one.first_token_seconds is not None]
            found |= self._seconds("first token", first)
        return found

    def missed(self) -> list[str]:
        """The answerable questions without a right passage among the first ten."""
        return [o.case.question for o in self.outcomes if o.case.answerable and not any(o.right)]

    def write(self, path: Path) -> None:
        """Write everything as JSON, question by question."""
        questions = [one.model_dump(mode="json") for one in self.outcomes]
        whole = {"figures": self.figures(), "missed": self.missed(), "questions": questions}
        path.write_text(json.dumps(whole, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")

    def table(self) -> Table:
        """Return the figures as a table for a terminal."""
        from rich.table import Table

        table = Table("figure", title=f"{len(self.outcomes)} questions")
        table.add_column("value", justify="right")
        for name, value in self.figures().items():
            shown = f"{value:.3f} s" if name.endswith(("p50", "p95")) else f"{value:.3f}"
            table.add_row(name, f"{value:.0f}" if name == "questions" else shown)
        return table

    def picture(self, path: Path) -> None:
        """Write the shares as a bar chart (SVG)."""
        bars = [
            (name, value)
            for name, value in self.figures().items()
            if name != "questions" and not name.endswith(("p50", "p95"))
        ]
        rows = "".join(_bar(place, name, value) for place, (name, value) in enumerate(bars))
        height = 26 * len(bars) + 16
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 {height}" font-family="sans-serif"'
            f' font-size="13"><rect width="640" height="{height}" fill="#fff"/>{rows}</svg>\n',
            encoding="utf-8",
        )

    @staticmethod
    def _seconds(name: str, values: Sequence[float]) -> dict[str, float]:
        return {f"{name} p{share:.0f}": measures.percentile(values, share / 100) for share in (50, 95)}


def _mean(outcomes: Sequence[Outcome], of: Callable[[Outcome], float]) -> float:
    return measures.mean([of(one) for one in outcomes])


def _bar(place: int, name: str, value: float) -> str:
    top = 26 * place + 10
    return (
        f'<text x="210" y="{top + 14}" text-anchor="end" fill="#222">{escape(name)}</text>'
        f'<rect x="220" y="{top}" width="{value * 360:.1f}" height="18" fill="#2f6f8f"/>'
        f'<text x="{226 + value * 360:.1f}" y="{top + 14}" fill="#222">{value:.2f}</text>'
    )
