"""The VQA scorer's official scores: single questions, means, stages of the normalisation, LLaVA's uploads."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dataengine_utils.benchmarks.vqa import GT_VISION_LAB, accuracy_tables, llava_submission, round_away
from dataengine_utils.benchmarks.vqav2 import vqav2_verdict

from . import reply

Compared = Iterator[tuple[str, Any, Any]]
TABLES = {"perAnswerType": "answer_type", "perQuestionType": "question_type"}
RULES = {"accuracy": "vqa", "raw": "vqa", "processed": "vqa_llava"}


def check(document: dict[str, Any]) -> Compared:
    """(what, expected, ours) for every value: of texts, or of questions with their predictions."""
    inputs, expected = document["inputs"], document["expected"]
    if "texts" in inputs:
        yield from _texts(inputs["texts"], expected)
        return
    items = inputs["items"]
    credits = {rule: [_credit(item, rule) for item in items] for rule in sorted({*RULES.values()})}
    for number, item in enumerate(items):
        name = str(item["question_id"])
        ours = {"processed_text": llava_submission(reply(item))}
        for prefix, rule in RULES.items():
            ours |= percent(prefix, credits[rule][number], round_away)
        yield from leaves(f"item {name}", expected["items"][name], ours)
    for name, wanted in expected["aggregate"].items():
        means = tables(items, credits[RULES[name.split("_")[0]]])
        yield from leaves(name, wanted, means if name.endswith("_12dp") else rounded(means, round_away))


def _texts(texts: list[str], expected: Mapping[str, list[str]]) -> Compared:
    stages = {
        "stripped": lambda text: GT_VISION_LAB.stages(text).stripped,
        "punct": lambda text: GT_VISION_LAB.stages(text).bare,
        "final": GT_VISION_LAB,
        "processed": llava_submission,
    }
    for name, wanted in expected.items():
        for text, one in zip(texts, wanted, strict=True):
            yield f"{name} of {text!r}", one, stages[name](text)


def _credit(item: Mapping[str, Any], rule: str) -> float:
    return vqav2_verdict(reply(item), item["answers"], rule=rule).credit


def percent(name: str, credit: float, rounding: Callable[[float, int], float]) -> dict[str, float]:
    """A question's accuracy under the two names that files use, in per cent."""
    return {f"{name}_12dp": 100 * credit, f"{name}_2dp": rounding(100 * credit, 2)}


def tables(items: list[dict[str, Any]], credits: list[float]) -> dict[str, Any]:
    """{"overall": accuracy, table: {type: accuracy}} by the official names, not rounded."""
    labels = {ours: [item.get(ours, "") for item in items] for ours in TABLES.values()}
    scored = accuracy_tables(credits, **labels)
    means = {
        name: {label: row["accuracy"] for label, row in scored[ours].items()} for name, ours in TABLES.items()
    }
    return {"overall": scored["summary"]["accuracy"], **means}


def rounded(value: Any, rounding: Callable[[float, int], float]) -> Any:
    """The tables as they are printed."""
    if isinstance(value, dict):
        return {name: rounded(item, rounding) for name, item in value.items()}
    return rounding(value, 2)


def leaves(what: str, expected: Any, ours: Any) -> Compared:
    """Every expected value beside ours, objects entry by entry; ours may have more entries."""
    if not isinstance(expected, dict):
        yield what, expected, ours
        return
    for name, value in expected.items():
        yield from leaves(f"{what} {name}", value, ours[name])
