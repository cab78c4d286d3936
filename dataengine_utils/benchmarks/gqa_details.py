"""GQA's official scores, from what was predicted for each question."""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..records import Question
from .official import Official
from .rates import percent, rate_rows

COMMON = ("color", "material", "shape")  # what two things can have in common: valid answers of such questions
_NO_STEPS = ("exist", "query: name", "choose name")
_Items = Sequence[tuple[Question, str]]


def gqa_answer(reply: str, rule: str) -> str:
    """What a rule compares: lower case, and for "llava" without full stops at the end; spaces stay.

    Source: LLaVA, scripts/convert_gqa_for_eval.py; MiniGPT-v2, eval_scripts/eval_vqa.py.
    """
    return (reply.rstrip(".") if rule == "llava" else reply).lower()


def reasoning_steps(program: Iterable[Any]) -> int:
    """The steps of a question's program, without those that only ask whether a thing is there or its name."""
    written = (f"{step.get('operation')}: {step.get('argument')}" for step in program)
    return sum(not any(sign in step for sign in _NO_STEPS) for step in written)


def gqa_scores(questions: Sequence[Question], predicted: Sequence[str], rule: str) -> Official:
    """The scores of GQA's eval.py, in per cent; `predicted` is what `gqa_answer` made of the replies.

    `distribution` is chi-square / 100 of the answers in each group (lower is better). Balanced questions
    count; by "minigpt4" all do. None stands for what cannot be computed: `consistency` where an entailed
    question is not among the questions (it needs a file of all questions, not of balanced ones), `validity`
    and `plausibility` where a question's choices are unknown, and any mean of nothing.
    """
    every = list(zip(questions, predicted, strict=True))
    counted = [item for item in every if rule == "minigpt4" or item[0].gold["balanced"]]
    typed = [item for item in counted if "structural" in item[0].gold]
    return {
        "summary": {
            "binary": _accuracy([item for item in typed if item[0].gold["structural"] != "query"]),
            "open": _accuracy([item for item in typed if item[0].gold["structural"] == "query"]),
            "accuracy": _accuracy(counted),
            "consistency": consistency(counted, every),
            "validity": _belonging(counted, "valid"),
            "plausibility": _belonging(counted, "plausible"),
            "distribution": distribution(
                (question.gold["group"], question.answer, answer)
                for question, answer in typed if question.gold["group"] is not None
            ),
        },
        "structural": _table(typed, lambda question: question.gold["structural"]),
        "semantic": _table(typed, lambda question: question.gold["semantic"]),
        "steps": _table(typed, lambda question: question.gold["steps"]),
        "length": _table(counted, lambda question: len(question.question.split())),
    }


def consistency(counted: _Items, every: _Items) -> float | None:
    """The mean, over rightly answered questions, of the accuracy on those that they entail (per cent)."""
    right = {question.id: answer == question.answer for question, answer in every}
    shares = []
    for question, _ in counted:
        entailed = [other for other in question.gold.get("entailed", ()) if other != question.id]
        if not right[question.id] or not entailed:
            continue
        if any(other not in right for other in entailed):
            return None
        shares.append(sum(right[other] for other in entailed) / len(entailed))
    return percent(shares)


def distribution(answers: Iterable[tuple[str, str, str]]) -> float | None:
    """Chi-square / 100 of predicted against right answers: the mean over groups, weighted by their size.

    `answers` are (group, right answer, predicted). Predictions that are no right answer in their group add
    nothing of their own.
    """
    wanted: dict[str, Counter[str]] = defaultdict(Counter)
    given: dict[str, Counter[str]] = defaultdict(Counter)
    for group, answer, predicted in answers:
        wanted[group][answer] += 1
        given[group][predicted] += 1
    weighted = total = 0.0
    for group, counts in wanted.items():
        size = sum(counts.values())
        weighted += size * sum((given[group][answer] - n) ** 2 / n for answer, n in counts.items())
        total += size
    return weighted / total / 100 if total else None


def _belonging(items: _Items, kind: str) -> float | None:
    """The share of predictions among a question's "valid" or "plausible" answers (per cent)."""
    if not all("choices" in question.gold for question, _ in items):
        return None
    return percent([answer in _choices(question, kind) for question, answer in items])


def _choices(question: Question, kind: str) -> Sequence[str]:
    return COMMON if "Common" in question.gold.get("detailed", "") else question.gold["choices"][kind]


def _table(items: _Items, key: Callable[[Question], Any]) -> dict[str, dict[str, float | None]]:
    rows: dict[Any, list[bool]] = defaultdict(list)
    for question, answer in items:
        rows[key(question)].append(answer == question.answer)
    return rate_rows({str(name): rows[name] for name in sorted(rows)})


def _accuracy(items: _Items) -> float | None:
    return percent([answer == question.answer for question, answer in items])
