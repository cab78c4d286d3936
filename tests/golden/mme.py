"""MME's official scores: labels of single replies, the subtasks' scores, and the two totals."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.mme import category_scores, read_reply, totals

from . import reply

NAMES = {"other_num": "other"}


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value; two consecutive lines of a subtask are a pair."""
    items, expected = document["inputs"]["items"], document["expected"]
    seen: Counter[str] = Counter()
    scored = []
    for number, (item, wanted) in enumerate(zip(items, expected["items_label_correct"], strict=True)):
        answer, read = item["answer"].strip().lower(), read_reply(reply(item))
        yield f"item {number}", wanted, [read or "other", int(read == answer)]
        scored.append((item["category"], seen[item["category"]] // 2, answer, read))
        seen[item["category"]] += 1
    table = category_scores(scored)
    yield "categories", sorted(expected["categories"]), sorted(table)
    for category, row in expected["categories"].items():
        for name, value in row.items():
            yield f"{category} {name}", value, table[category][NAMES.get(name, name)]
    for name, value in expected["totals"].items():
        yield name, value, totals(table)[name]
