"""Explains an answer: the search, how each passage was found, the model, and how long each step took."""

from collections.abc import Sequence

from rag_app.ui.formatting import named, one_line, pages
from rag_core.models import Answer, Explain, Passage, Why

_STEPS = (
    ("retrieve", "found the passages"),
    ("first_token", "first word, from the start"),
    ("generate", "wrote the answer"),
    ("cite", "checked its sentences"),
    ("total", "in all"),
)
_HEADINGS = ("", "Document", "By words", "By meaning", "Similarity", "Score")


def panel(answer: Answer) -> str:
    """A closed box below the answer, on one line so that Markdown leaves it unchanged."""
    found: Sequence[Passage | Why] = answer.explain.passages if answer.explain else answer.passages
    if not found:
        return ""
    explained = bool(answer.explain)
    names = [*_HEADINGS, *(["Words of the question", "Read"] if explained else [])]
    head = "".join(f'<th scope="col">{name}</th>' for name in names)
    rows = "".join(_row(number, one) for number, one in enumerate(found, start=1))
    return (
        '<details class="rd-why"><summary>Why this answer</summary>'
        f"{_explanation(answer.explain)}"
        f'<div class="rd-scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody>'
        f'</table></div><dl class="rd-steps">{_facts(answer)}</dl></details>'
    )


def _explanation(explain: Explain | None) -> str:
    if explain is None:
        return ""
    searched = "Searched for, completed from the conversation" if explain.rewritten else "Searched for"
    lines = [f"{searched}: {one_line(explain.query)}"]
    if explain.routing:
        lines.append(f"Model: {one_line(explain.routing)}")
    if explain.nearest is not None:
        lines.append(
            f"Similarity of the nearest passage {explain.nearest:.2f}; {explain.needed:.2f} is required"
        )
    if explain.words:
        words = ", ".join(f"{one_line(word)} in {chunks:,}" for word, chunks in explain.words.items())
        lines.append(f"Words and the chunks that contain them: {words}")
    return "".join(f'<p class="rd-explanation">{line}</p>' for line in lines)


def _facts(answer: Answer) -> str:
    facts = [("model", one_line(named(answer.model, answer.host, nobody="none")))]
    if answer.tokens:
        facts += [("tokens read", f"{answer.tokens.prompt:,}"), ("written", f"{answer.tokens.answer:,}")]
    for name, words in _STEPS:
        seconds = getattr(answer.timings, name)
        if seconds is not None:
            facts.append((words, f"{seconds:.2f} s"))
    return "".join(f"<dt>{name}</dt><dd>{value}</dd>" for name, value in facts)


def _row(number: int, one: Passage | Why) -> str:
    cells = [
        one_line(one.document) + ", " + pages(one.page_start, one.page_end),
        _rank(one.bm25_rank),
        _rank(one.vector_rank),
        "" if one.similarity is None else f"{one.similarity:.2f}",
        f"{one.score:.4f}",
    ]
    if isinstance(one, Why):
        cells += [", ".join(one_line(word) for word in one.words), "yes" if one.given else "no"]
    return f'<tr><th scope="row">{number}</th>{"".join(f"<td>{cell}</td>" for cell in cells)}</tr>'


def _rank(rank: int | None) -> str:
    return "-" if rank is None else f"{rank}."
