"""VizWiz's official scores: MiniGPT-v2's rule, the API's two copies, and prompts."""

from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.vizwiz import VizWiz, vizwiz_verdict
from dataengine_utils.benchmarks.vqa import VIZWIZ_API

from . import reply
from .okvqa import prompts
from .vqav2 import leaves, rounded, tables


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value."""
    items, expected = document["inputs"]["items"], document["expected"]
    credits = {
        rule: [vizwiz_verdict(reply(item), item["answers"], rule=rule).credit for item in items]
        for rule in VizWiz.rules
    }
    for number, item in enumerate(items):
        ours = {rule: 100 * of_items[number] for rule, of_items in credits.items()}
        ours["api_processed_prediction"] = VIZWIZ_API(reply(item))
        yield from leaves(item["image"], expected["items"][item["image"]], ours)
    for name, wanted in expected["aggregate"].items():
        means = tables(items, credits[name.removesuffix("_12dp").removesuffix("_2dp")])
        if not isinstance(wanted, dict):
            yield name, wanted, means["overall"]
            continue
        yield from leaves(name, wanted, means if name.endswith("_12dp") else rounded(means, round))
    yield from prompts(items, expected.get("prompts_sample", []), "image", "unanswerable")
