"""Tables about answers: questions and replies, scores, weak types, and the queries drawn for them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pandas.io.formats.style import Styler

from ..allocation import STRATEGIES, Round
from ..benchmarks.splits import remark
from ..records import BadCase, Cluster, Prediction, Query, Question, TypeWeakness
from ..weakness import Change, type_table
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

    Beside them the rate drawn towards all types', and the smallest change in points that so many questions
    can show. `metrics` are those of the split that was diagnosed.
    """
    rows = {row.question_type: {
        **_rates(vars(row)), "shrunk, %": percent(row.shrunk),
        "detectable, points": percent(row.detectable) if row.detectable < 1 else "none",
        "bad cases": row.bad_cases, "weight, %": percent(row.weight)} for row in table}
    return numbers(rows, "question type", remark(metrics))


def change_table(changes: Mapping[str, Mapping[str, Change]]) -> Styler:
    """How each type changed, in points: a group of columns for every evaluation compared with.

    `changes` has what `weakness.changes` gives, by the name of the earlier evaluation. "more than chance" is
    by McNemar's test, adjusted over the types by Holm's method.
    """
    if not changes:
        return words([{"changes": "none yet: this is the first evaluation"}])
    names = list(dict.fromkeys(name for one in changes.values() for name in one))
    return numbers({ALL if name == "all" else name: {
        column: value for title, one in changes.items() for column, value in _change(title, one[name]).items()
    } for name in names}, "question type")


def cluster_table(clusters: Sequence[Cluster]) -> Styler:
    """The weakest groups inside the types: what they are about, and what was taken for what."""
    rows = [{"question type": one.question_type, "about": one.name, "questions": one.n,
             "right, %": percent(one.accuracy), "95 % interval": interval(vars(one)),
             "right answer (reply), how often": " \N{MIDDLE DOT} ".join(
                 f"{answer} ({reply}) {n}" for answer, reply, n in one.confusions)}
            for one in clusters]
    return words(rows or [{"clusters": "none: too few bad cases, or they have nothing in common"}])


def _change(title: str, change: Change) -> dict[str, Any]:
    paired = change.paired
    return {f"since {title}": f"{100 * paired.difference:+.1f}",
            f"95 % interval, {title}": f"{100 * paired.low:+.1f} to {100 * paired.high:+.1f}",
            f"more than chance, {title}": change.verdict or "-"}


def strategy_table(predictions: Sequence[Prediction], budget: int,
                   rounds: Mapping[str, Sequence[Round]] | None = None) -> Styler:
    """The share of the budget, in per cent, that every strategy would give each type."""
    weights = {name: {row.question_type: percent(row.weight)
                      for row in type_table(predictions, name, budget=budget, rounds=rounds)}
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
