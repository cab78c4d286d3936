"""POPE's official scores per category."""

from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.pope import category_scores, read_reply

from . import reply


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value."""
    items = document["inputs"]["items"]
    table = category_scores(
        (item["category"], item["label"], read_reply(reply(item))) for item in items
    )
    for category, row in document["expected"]["per_category"].items():
        for name, value in row.items():
            yield f"{category} {name}", value, table[category][name]
