"""A-OKVQA: multiple choice and direct answers, and what a strict run of the official scorer does."""

from collections.abc import Iterator, Sequence
from typing import Any

from dataengine_utils.benchmarks.aokvqa import direct_answer_credit, multiple_choice_credit, strictness
from dataengine_utils.benchmarks.rates import percent


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every expected value beside ours."""
    items, expected = document["inputs"]["items"], document["expected"]
    direct = [item for item in items if not item.get("difficult_direct_answer")]
    choice = [
        multiple_choice_credit(item.get("mc_prediction"), item["choices"][item["correct_choice_idx"]])
        for item in items
    ]
    thirds = {
        item["question_id"]: direct_answer_credit(item.get("da_prediction"), item["direct_answers"])
        for item in direct
    }
    for item, credit in zip(items, choice, strict=True):
        wanted, name = expected["items"][item["question_id"]], item["question_id"]
        yield f"{name} mc", wanted["mc"], 100 * credit
        yield f"{name} da", wanted["da"], 100 * thirds[name] if name in thirds else None
    ours = {
        "mc_strict_false": percent(choice),
        "da_strict_false": percent(list(thirds.values())),
        "mc_strict_true": _strict(choice, items, "mc_prediction"),
        "da_strict_true": _strict(list(thirds.values()), direct, "da_prediction"),
    }
    for name, wanted in expected["aggregate"].items():
        yield name, wanted, ours[name]


def _strict(credits: Sequence[float], items: Sequence[dict[str, Any]], field: str) -> float | str | None:
    """The score, or the assertion that stops a strict run."""
    replies = [item.get(field) for item in items]
    found = strictness(replies, [item["choices"] for item in items])
    if found["missing"]:
        return "AssertionError: "
    if found["not_a_choice"] and field == "mc_prediction":
        return "AssertionError: Prediction must be a valid choice"
    return percent(credits)
