"""Measures how good retrieval and answers are on questions whose answers are known.

cases = load(Path("tests/eval/questions.jsonl"))
report = run(cases, retriever, judge=answerer.judge, answer=answerer.answer)
report.write(path); report.picture(path); report.table()
"""

from rag_core.evaluation.cases import BadCases, Case, load
from rag_core.evaluation.report import Report
from rag_core.evaluation.running import run

__all__ = ["BadCases", "Case", "Report", "load", "run"]
