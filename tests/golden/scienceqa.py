"""ScienceQA's official scores: LLaVA's script, and the category table of ScienceQA's own."""

from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.scienceqa_rules import (
    Item,
    choice_index,
    llava_letter,
    sqa_scores,
    sqa_verdict,
)
from dataengine_utils.records import LETTERS

from . import reply

CATEGORIES = {
    "acc_natural": "NAT", "acc_social": "SOC", "acc_language": "LAN", "acc_has_text": "TXT",
    "acc_has_image": "IMG", "acc_no_context": "NO", "acc_grade_1_6": "G1-6", "acc_grade_7_12": "G7-12",
    "acc_average": "avg",
}


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value of either kind of file."""
    inputs, expected = document["inputs"], document["expected"]
    if "scores" in expected:
        rows = [dict(zip(inputs["columns"], row, strict=True)) for row in inputs["rows"]]
        return _table(rows, expected["scores"])
    return _replies(inputs["items"], expected)


def _replies(items: list[dict[str, Any]], expected: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    judged, answered = [], []
    for item in items:
        # Without a prediction, LLaVA's script goes on with the text "FAILED".
        text, n, pid = reply(item), item["num_choices"], str(item["question_id"])
        letter, verdict = llava_letter(text), sqa_verdict(text, LETTERS[item["answer"]], n)
        wanted = expected["items_parsed_predidx_correct"][pid]
        yield f"item {pid}", wanted, [letter or "FAILED", choice_index(letter, n), int(verdict.credit)]
        judged.append(Item(bool(verdict.credit), item["is_multimodal"]))
        if item.get("prediction") is not None:
            answered.append(judged[-1])
    ours = _aggregate(judged, answered)
    for name, value in expected["aggregate"].items():
        yield name, value, ours[name]


def _aggregate(judged: list[Item], answered: list[Item]) -> dict[str, Any]:
    total, seen = sqa_scores(judged), sqa_scores(answered)
    correct, n = sum(item.right for item in judged), total["category"]["avg"]["n"]
    accuracy, image = total["summary"]["total"], seen["summary"]["IMG"]
    return {
        "accuracy": accuracy,
        "correct": correct,
        "count": n,
        "img_accuracy": image,
        "img_count": seen["category"]["IMG"]["n"],
        "stdout": f"Total: {n}, Correct: {correct}, Accuracy: {accuracy:.2f}%, IMG-Accuracy: {image:.2f}%",
    }


def _table(rows: list[dict[str, Any]], wanted: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    scores = sqa_scores(
        Item(row["predicted_index"] == row["answer"], row["has_image"], row["has_hint"],
             row["subject"], row["grade"], row["topic"])
        for row in rows
    )
    for name, value in wanted.items():
        table, row = ("category", CATEGORIES[name]) if name in CATEGORIES else ("topic", name[len("acc_") :])
        accuracy = scores[table][row]["accuracy"] if row in scores[table] else None
        # An empty group is -1, as a number or a text.
        yield name, value, type(value)(-1) if accuracy is None else f"{accuracy:.2f}"
