"""VLMEvalKit's scores of MMBench: options inferred, questions right in all rotations, and its reports."""

from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.mmbench import HEAD, MAY_2024, MMBench, group_hits, infer, question_of
from dataengine_utils.benchmarks.official import unique_ids
from dataengine_utils.benchmarks.scoring import predict
from dataengine_utils.records import LETTERS

from . import reply

RULES = {"head": HEAD, "2024_05": MAY_2024}
COLUMNS = {"l2_category": "l2-category"}
TABLES = ("l2", "category")


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value; reports are shares (0..1), null where there is no question."""
    rows, expected = document["inputs"]["rows"], document["expected"]
    for row, letters in zip(rows, expected["rows_inferred_head_2024"], strict=True):
        for rule, letter in zip(RULES.values(), letters, strict=True):
            yield f"row {row['index']} {rule}", letter, infer(reply(row), _options(row), rule) or None
    for name, rule in RULES.items():
        yield from _aggregates(rows, rule, expected[f"group_hit_{name}"], expected[f"report_{name}"])


def _aggregates(
    rows: list[dict[str, Any]], rule: str, wanted_hits: dict[str, int], wanted: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    benchmark = MMBench("golden", rule=rule)
    questions = list(unique_ids(question_of(_cells(row), f"index {row['index']}") for row in rows))
    predictions = [predict(question, reply(row), judge=benchmark.judge)
                   for question, row in zip(questions, rows, strict=True)]
    hits = group_hits(questions, predictions)
    yield f"{rule} questions", sorted(wanted_hits), sorted(hits)
    for group, hit in wanted_hits.items():
        yield f"{rule} question {group}", hit, int(hits[group])
    scores = benchmark.score(questions, predictions)["official"]
    yield f"{rule} splits", sorted(wanted), sorted(scores["split"])
    for split, report in wanted.items():
        for column, share in report.items():
            yield f"{rule} {split} {column}", share, _share(scores, split, column)


def _options(row: dict[str, Any]) -> dict[str, str]:
    """The texts in a row's four columns of options, "" where there is none."""
    return {letter: str(row["options"].get(letter) or "") for letter in LETTERS[:4]}


def _cells(row: dict[str, Any]) -> dict[str, Any]:
    """A row of VLMEvalKit's table."""
    named = {COLUMNS.get(name, name): value for name, value in row.items()}
    return {"question": "", "split": "none", **_options(row), **named}


def _share(scores: dict[str, Any], split: str, column: str) -> float | None:
    table = next((scores[name] for name in TABLES if column in scores.get(name, {})), {})
    percent = scores["split"][split]["circular"] if column == "Overall" else table[column][split]
    return None if percent is None else percent / 100
