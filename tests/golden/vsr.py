"""VSR: MiniGPT-v2's accuracy, and the official analysis by relation and meta category."""

from collections.abc import Iterator, Sequence
from typing import Any

from dataengine_utils.benchmarks.vsr import by_relation, read_reply, vsr_question
from dataengine_utils.models.wording import family_of, full_prompt, prompt
from dataengine_utils.records import Question

from . import reply


def check(document: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Every expected value beside ours."""
    items, expected = document["inputs"]["items"], document["expected"]
    questions = [vsr_question(item, f"item {number}", number) for number, item in enumerate(items)]
    written = _right(questions, [reply(item) for item in items], "minigpt4")
    for number, (wanted, ours) in enumerate(zip(expected["minigpt4_items_correct"], written, strict=True)):
        yield f"item {number}", wanted, int(ours)
    totals = {"accuracy": sum(written) / len(written) * 100, "correct": sum(written), "total": len(written)}
    for name, wanted in expected["minigpt4"].items():
        yield f"minigpt4 {name}", wanted, totals[name]
    binary = _right(questions, [str(item["binary_prediction"]) for item in items], "binary")
    yield from _check_binary(expected["binary"], questions, binary)
    for number, wanted in enumerate(expected.get("prompts_sample", [])):
        yield f"prompt {number}", wanted, _asked(questions[number])


def _right(questions: Sequence[Question], replies: Sequence[str], rule: str) -> list[bool]:
    return [
        read_reply(reply, rule) == question.answer for question, reply in zip(questions, replies, strict=True)
    ]


def _check_binary(
    expected: dict[str, Any], questions: Sequence[Question], right: Sequence[bool]
) -> Iterator[tuple[str, Any, Any]]:
    tables = by_relation(questions, right)
    yield "binary accuracy", expected["accuracy"], sum(right) / len(right)
    for name, table in (("by_relation", "relation"), ("by_meta_category", "meta_category")):
        ours = {row: [f"{sum(items) / len(items):.4f}", len(items)] for row, items in tables[table].items()}
        yield f"binary {name}: rows", sorted(expected[name]), sorted(ours)
        for row, wanted in expected[name].items():
            yield f"binary {name}: {row}", wanted, ours.get(row)


def _asked(question: Question) -> str:
    family = family_of("minigpt_v2")
    return full_prompt(prompt(question.question, (), question.form, family), family)
