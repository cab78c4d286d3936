"""Tables about answers: questions and replies, scores, weak types, and the queries drawn for them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pandas.io.formats.style import Styler

from ..benchmarks.splits import remark
from ..records import BadCase, Prediction, Query, Question, TypeWeakness
from ..weakness import STRATEGIES, type_table
from .style import ALL, interval, numbers, percent, score, words

Metrics = Mapping[str, Any]


def question_counts(questions: Mapping[str, Sequence[Question]]) -> Styler:
    """How many questions of each type each split has, and how many images."""
    counts = {split: Counter(q.question_type for q in asked) for split, asked in questions.items()}
    types = dict.fromkeys(name for of_split in counts.values() for name in of_split)
    rows = {name: {split: of_split[name] for split, of_split in counts.items()} for name in types}
    rows[ALL] = {split: len(asked) for split, asked in questions.items()}
    rows["images"] = {split: len({q.image_id for q in asked}) for split, asked in questions.items()}
    return numbers(rows, "question type")


def reply_counts(predictions: Mapping[str, Sequence[Prediction]]) -> Styler:
    """The three outcomes of each split: right, wrong, and replies that could not be read as an answer."""
    counts = {split: Counter(p.outcome for p in given) for split, given in predictions.items()}
    return numbers({split: {name: n[name] for name in ("right", "wrong", "unparsed")}
                     for split, n in counts.items()}, "split")


def score_table(metrics: Metrics, split: str) -> Styler:
    """Right answers by question type on one split, with the three outcomes and the 95 % interval."""
    scores = metrics[split]
    rows = {name: _rates(row) for name, row in {**scores["types"], ALL: scores["overall"]}.items()}
    return numbers(rows, "question type", remark(scores))


def official_table(metrics: Metrics, split: str) -> Styler:
    """The scores that the field reports of a benchmark, on their own scales, with the rule that made them."""
    scores = metrics[split]
    official = scores.get("official", {"summary": {"right, %": 100 * scores["overall"]["accuracy"]}})
    rows = {name: {"value": value} for name, value in official["summary"].items()}
    rows |= {f"{table}: {row}": values for table, of_table in official.items() if table != "summary"
             for row, values in of_table.items()}
    columns = dict.fromkeys(column for values in rows.values() for column in values)
    shown = {name: {column: score(values.get(column, "")) for column in columns}
             for name, values in rows.items()}
    rule = scores.get("rule", "the option or the text must be right")
    return numbers(shown, "score", f"Scoring rule: {rule}. {remark(scores)}".strip())


def weakness_table(table: Sequence[TypeWeakness], metrics: Metrics) -> Styler:
    """The weakness table: counts, right answers with their interval, bad cases in the pool, weight.

    `metrics` are those of the split that was diagnosed.
    """
    rows = {row.question_type: {**_rates(vars(row)), "bad cases": row.bad_cases,
                                "weight, %": percent(row.weight)} for row in table}
    return numbers(rows, "question type", remark(metrics))


def strategy_table(predictions: Sequence[Prediction]) -> Styler:
    """The weight, in per cent, that every strategy would give each type."""
    weights = {name: {row.question_type: percent(row.weight) for row in type_table(predictions, name)}
               for name in STRATEGIES}
    types = next(iter(weights.values()))
    return numbers({kind: {name: weights[name][kind] for name in weights} for kind in types}, "weight, %")


def pool_table(wrong: Sequence[BadCase], pool: Sequence[BadCase]) -> Styler:
    """Wrong answers and what is left of them as bad cases, by question type."""
    before, after = (Counter(case.question_type for case in cases) for cases in (wrong, pool))
    rows = {name: {"wrong answers": before[name], "bad cases kept": after[name]} for name in before}
    rows[ALL] = {"wrong answers": len(wrong), "bad cases kept": len(pool)}
    return numbers(rows, "question type")


def share_table(shares: Sequence[Mapping[str, Any]]) -> Styler:
    """What was planned against what was drawn, in per cent of the queries, with the draw's 95 % interval."""
    rows = {row["question_type"]: {"planned, %": percent(row["planned"]), "drawn, %": percent(row["drawn"]),
                                   "95 % interval": interval(row)} for row in shares}
    return numbers(rows, "question type")


def query_table(queries: Iterable[Query]) -> Styler:
    """Some queries: the type to serve, the image, and the bad cases shown to the teacher."""
    return words([{"question type": query.question_type, "image": query.image_id,
                    "bad cases shown": " · ".join(f"{case.question} ({case.answer})"
                                                  for case in query.bad_cases)}
                   for query in queries])


def _rates(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"questions": row["n"], "right": row["right"], "wrong": row["wrong"], "unparsed": row["unparsed"],
            "right, %": percent(row["accuracy"]), "95 % interval": interval(row)}
