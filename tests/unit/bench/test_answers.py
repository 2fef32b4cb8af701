"""How bench.answers counts what a model made of its prompts, without asking one."""

from __future__ import annotations

from bench.answers import values
from rag_core.evaluation import Case
from rag_core.models import Answer, Citation, SentenceSupport, Timings, Tokens

CASE = Case(
    question="How high is the tower?", kind="own words", documents=("tower.md",), says=("fifty metres",)
)


def cited(document: str, passage: str) -> Citation:
    """A citation of a one-page document."""
    return Citation(
        number=1, document_id=document, document=document, page_start=1, page_end=1, passage=passage
    )


def test_a_citation_is_right_if_its_passage_answers_and_only_models_count() -> None:
    good = Answer(
        answer="It is fifty metres high. It is red.",
        citations=(cited("tower.md", "The tower is fifty metres high."),),
        sentences=(SentenceSupport(text="It is high.", citations=(1,)), SentenceSupport(text="It is red.")),
        model="small",
        timings=Timings(first_token=2.0),
        tokens=Tokens(prompt=600, answer=9),
    )
    wrong = good.model_copy(update={"citations": (cited("tower.md", "The tower is red."),)})
    without_model = Answer(answer="The passages.", reason="no_model")
    found = values([(CASE, good), (CASE, wrong), (CASE, without_model)])
    assert found["answers of the model"] == (2.0, "")
    assert found["citation precision"] == (0.5, "")
    assert found["sentences supported"] == (0.5, "")
    assert found["tokens of the prompt, mean"] == (600.0, "")
    assert found["first word p50"] == (2.0, "s")
