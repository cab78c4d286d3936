"""SEED-Bench's official scores by LLaVA's and MiniGPT-4's scripts: single replies, types, totals."""

from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.seed_bench import TYPES, seed_scores, seed_verdict

RULES = {"seed_llava": "llava", "seed_minigpt4": "minigpt4"}


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value; rows with the same id share the last prediction."""
    columns, expected = document["inputs"]["columns"], document["expected"]
    items = [dict(zip(columns, row, strict=True)) for row in document["inputs"]["items"]]
    replies = {item["question_id"]: item["prediction"] for item in items if item["prediction"] is not None}
    pairs = [(replies.get(item["question_id"], ""), item["answer"]) for item in items]
    credits = {rule: [int(seed_verdict(*pair, rule).credit) for pair in pairs] for rule in RULES.values()}
    rows = zip(items, expected["items_correct_llava_minigpt4"], *credits.values(), strict=True)
    for number, (item, wanted, *ours) in enumerate(rows):
        yield f"item {number} ({item['question_id']})", wanted, ours
    for scorer, wanted in expected["aggregate"].items():
        yield from _aggregate(scorer, wanted, items, credits[RULES[scorer]])


def _aggregate(
    scorer: str, wanted: dict[str, Any], items: list[dict[str, Any]], credits: list[int]
) -> Iterator[tuple[str, Any, Any]]:
    scores = seed_scores(
        (TYPES[item["question_type_id"]], item["data_type"], bool(credit))
        for item, credit in zip(items, credits, strict=True)
    )
    image = scores["summary"]["image"]
    everything = scores["summary"].get("all", image)
    per_type = {name: row["accuracy"] for name, row in scores["type"].items()}
    ours = {
        "all": everything,
        "image": image,
        "per_type": per_type,
        "metrics_rounded_3": {"image": round(image, 3)},
        "stdout": [
            *(f"{name}: {accuracy:.2f}%" for name, accuracy in per_type.items()),
            f"Total accuracy: {everything:.2f}%",
            f"image accuracy: {image:.2f}%",
        ],
    }
    for name, value in wanted.items():
        yield f"{scorer} {name}", value, ours[name]
