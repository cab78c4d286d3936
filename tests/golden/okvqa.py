"""OK-VQA's official scores: MiniGPT-v2's submission, its scorer and the original one, and prompts."""

from collections.abc import Iterator
from typing import Any

from dataengine_utils.benchmarks.okvqa import okvqa_verdict
from dataengine_utils.benchmarks.vqa import minigpt4_submission, round_away
from dataengine_utils.models.wording import family_of, full_prompt, prompt

from . import reply
from .vqav2 import leaves, percent, rounded, tables

ROUNDING = {"minigpt4": round, "gt_vision_lab": round_away}  # Python 3's ties go to the even digit
LINE = "Overall OKVQA Accuracy is: "


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """(what, expected, ours) for every value; of the printed line, the sentence after the progress bar."""
    items, expected = document["inputs"]["items"], document["expected"]
    credits = {
        rule: [okvqa_verdict(reply(item), item["answers"], rule=rule).credit for item in items]
        for rule in ROUNDING
    }
    for number, item in enumerate(items):
        ours = {"submitted": minigpt4_submission(reply(item))}
        for rule, rounding in ROUNDING.items():
            ours |= percent(rule, credits[rule][number], rounding)
        name = str(item["question_id"])
        yield from leaves(f"item {name}", expected["items"][name], ours)
    labelled = [{"answer_type": "other", **item} for item in items]
    means = {rule: tables(labelled, credits[rule]) for rule in ROUNDING}
    for name, wanted in expected["aggregate"].items():
        if name == "stdout_line":
            yield name, wanted[wanted.find(LINE) :], f"{LINE}{means['minigpt4']['overall']:.02f}"
            continue
        rule = name.removesuffix("_12dp").removesuffix("_2dp")
        exact = name.endswith("_12dp")
        yield from leaves(name, wanted, means[rule] if exact else rounded(means[rule], ROUNDING[rule]))
    yield from prompts(items, expected.get("prompts_sample", []), "question_id", "short")


def prompts(
    items: list[dict[str, Any]], wanted: list[dict[str, Any]], key: str, form: str
) -> Iterator[tuple[str, Any, Any]]:
    """MiniGPT-v2's prompts of some questions, which `key` tells apart."""
    family, questions = family_of("minigpt_v2"), {item[key]: item["question"] for item in items}
    for sample in wanted:
        text = prompt(questions[sample[key]], (), form, family)
        yield f"prompt {sample[key]}", sample["prompt"], full_prompt(text, family)
