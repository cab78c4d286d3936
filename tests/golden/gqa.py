"""GQA: eval.py's scores with and without choices and consistency, and MiniGPT-v2's accuracy."""

from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.gqa import GQA, gqa_question
from dataengine_utils.benchmarks.gqa_details import gqa_answer, gqa_scores
from dataengine_utils.records import Question

from . import reply

TABLES = {
    "accuracyPerStructuralType": "structural",
    "accuracyPerSemanticType": "semantic",
    "accuracyPerSteps": "steps",
    "accuracyPerLength": "length",
}
VAL_ONLY = {"entailed": (), "choices": None}  # what the run on testdev does not use


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every expected value beside ours."""
    items, expected = document["inputs"]["items"], document["expected"]
    for item in items:
        yield from _check_item(item, expected["items"][item["question_id"]])
    for run, keep in (("testdev", False), ("val", True)):
        if run in expected:
            yield from _check_run(run, expected[run], _scores(items, "llava", keep))
    if "minigpt4" in expected:
        accuracy = _scores(items, "minigpt4", False)["summary"]["accuracy"]
        yield "minigpt4 accuracy", expected["minigpt4"]["accuracy"], accuracy
        yield "minigpt4 stdout", expected["minigpt4"]["stdout"], f"gqa val: {accuracy}"


def _check_item(item: dict[str, Any], expected: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    name = item["question_id"]
    read = {rule: gqa_answer(reply(item), rule) for rule in GQA.rules}
    yield f"{name} llava_processed", expected["llava_processed"], read["llava"]
    yield f"{name} correct", expected["correct"], int(read["llava"] == item["answer"])
    yield f"{name} minigpt4_correct", expected["minigpt4_correct"], int(read["minigpt4"] == item["answer"])


def _check_run(run: str, expected: dict[str, Any], ours: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    for name, value in expected.items():
        if name in TABLES:
            rows = ours[TABLES[name]]
            counts = {key: {"accuracy": row["accuracy"], "count": row["n"]} for key, row in rows.items()}
            yield f"{run} {name}", value, counts
        elif name == "printed":
            yield f"{run} {name}", value, _printed(ours, _means(ours, expected))
        else:
            yield f"{run} {name}", value, _means(ours, expected)[name]


def _means(ours: dict[str, Any], expected: dict[str, Any]) -> dict[str, float]:
    """The means that a run has; to eval.py the mean of nothing is 0."""
    return {name: value or 0.0 for name, value in ours["summary"].items() if name in expected}


def _scores(items: list[dict[str, Any]], rule: str, keep: bool) -> dict[str, Any]:
    questions = [_question(item if keep else {**item, **VAL_ONLY}) for item in items]
    return gqa_scores(questions, [gqa_answer(reply(item), rule) for item in items], rule)


def _question(item: dict[str, Any]) -> Question:
    name = item["question_id"]
    entry = {**item, "imageId": name, "isBalanced": item["is_balanced"]}
    choices = None if item.get("choices") is None else {name: item["choices"]}
    return gqa_question(name, entry, f"question {name}", choices=choices)


def _printed(ours: dict[str, Any], means: dict[str, float]) -> list[str]:
    """The official script's lines, without its titles."""
    lines = [
        f"{name.capitalize()}: {value:.2f}{' (lower is better)' if name == 'distribution' else '%'}"
        for name, value in means.items()
    ]
    rows = [row for table in TABLES.values() for row in ours[table].items()]
    return lines + [f"  {name}: {row['accuracy']:.2f}% ({row['n']} questions)" for name, row in rows]
