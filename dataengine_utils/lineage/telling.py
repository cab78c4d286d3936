"""A lineage in words: one numbered part for each step of the way."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timezone
from textwrap import TextWrapper
from typing import Any

from ..records import LETTERS, BadCase
from .answers import replied
from .tracing import Effect, Lineage, Training

WIDTH = 100


def lineage_text(one: Lineage) -> str:
    """The way of a sample, to be read from top to bottom."""
    sample = one.sample
    parts = [
        ("question", [sample.instruction, *_options(one), f"answer: {sample.answer}",
                      f"type: {sample.question_type}"]),
        (f"bad cases shown to the teacher ({len(one.bad_cases) + len(one.unknown_cases)})", _cases(one)),
        ("template", _template(one)),
        ("image", [f"{sample.image} (id {sample.image_id})", *_facts(sample.shown)]),
        ("request", _request(one)),
        ("verdicts of the checks", list(_verdicts(sample.verdicts)) or ["accepted; not recorded how"]),
        ("trainings that used it", _trainings(one)),
        (f"change of {sample.question_type} after them", list(_effects(one))),
    ]
    head = f"sample {sample.id}, run {one.run}, iteration {one.iteration}"
    return "\n".join([head, *(_part(n, *part) for n, part in enumerate(parts, start=1))])


def _part(number: int, title: str, lines: Iterable[str]) -> str:
    wrap = TextWrapper(WIDTH, initial_indent="   ", subsequent_indent="     ", break_long_words=False)
    return "\n".join([f"\n{number}. {title}", *(wrap.fill(" ".join(line.split())) for line in lines)])


def _options(one: Lineage) -> Iterator[str]:
    for letter, option in zip(LETTERS, one.sample.options, strict=False):
        yield f"{letter}. {option}{'  (right)' if letter == one.sample.choice_answer else ''}"


def _cases(one: Lineage) -> list[str]:
    lines = [_case(case) for case in one.bad_cases]
    lines += [f"{name}: only its id is kept" for name in one.unknown_cases]
    return lines or ["none"]


def _case(case: BadCase) -> str:
    return f"{case.question_id}: {case.question} Right: {case.answer}. The student: {replied(case)}."


def _template(one: Lineage) -> list[str]:
    decision, template = one.decision, one.template
    lines = [one.sample.template_id]
    if template:
        lines[0] += f", {len(template.rules)} rules" + (f", new: {template.note}" if template.note else "")
        lines += [f"made from {template.parent}"] if template.parent else []
    if decision and decision.template_id == one.sample.template_id:
        when = f" at {decision.time}" if decision.time else ""
        lines.append(f"chosen by {decision.chosen_by}{when}: {decision.reason}")
    return lines


def _facts(shown: Mapping[str, Any]) -> list[str]:
    """The facts of the image that the teacher saw, and those that were cut to keep the prompt short."""
    if not shown:
        return ["facts shown: not recorded; a teacher without prompts reads all annotations"]
    return [f"facts {what}: {_counts(shown.get(key, {}))}" for what, key in
            (("shown", "shown"), ("cut to fit the prompt", "cut"))]


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{n} {name}" for name, n in counts.items() if n) or "none"


def _request(one: Lineage) -> list[str]:
    if not one.sample.request:
        return [f"none: the teacher {one.teacher!r} sends no requests"]
    lines = [f"{one.sample.request}", f"teacher {one.teacher}, model {one.model}"]
    answer = one.answer
    if answer is None:
        return [*lines, f"the ledger is not there any more; it cost {one.sample.usd:.4f} USD"]
    when = datetime.fromtimestamp(answer.time, timezone.utc).isoformat(timespec="seconds")
    cached = f" ({answer.cached_tokens:,} cached)" if answer.cached_tokens else ""
    return [*lines, f"{answer.prompt_tokens:,} tokens in{cached}, {answer.completion_tokens:,} out, "
                    f"{answer.usd:.6f} USD, {answer.way}, {when}"]


def _verdicts(verdicts: Mapping[str, Any]) -> Iterator[str]:
    for name, value in verdicts.items():
        if isinstance(value, Mapping):
            value = ", ".join(f"{key} {_plain(item)}" for key, item in value.items())
        if value not in ("", None):
            yield f"{name.replace('_', ' ')}: {_plain(value)}"


def _plain(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(" + ", ".join(f"{key} {item}" for key, item in value.items()) + ")"
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _trainings(one: Lineage) -> list[str]:
    if one.withdrawn:
        return ["withdrawn: it is kept out of every training from now on"]
    return [_training(each) for each in one.trainings] or ["none yet: run notebook 06_train"]


def _training(one: Training) -> str:
    steps = f"{one.steps:,} steps" if one.steps is not None else "not finished"
    start = "the base" if one.start_from == "base" else "the last adapter"
    refused = "" if one.promoted else "; the gate did not promote it, so that it changed nothing"
    return (f"iteration {one.iteration}: {one.samples:,} samples, {one.of_type:,} of its type, from {start}, "
            f"{steps}{refused}")


def _effects(one: Lineage) -> Iterator[str]:
    for effect in one.effects:
        yield _effect(effect)
    if not one.effects:
        refused = one.trainings and not any(training.promoted for training in one.trainings)
        yield ("none: no training with it was promoted" if refused
               else "not measured yet: run notebook 01_evaluate with ITERATION one higher")
        return
    yield "other samples of the type and of other types were in the same trainings"


def _effect(one: Effect) -> str:
    paired = one.change.paired
    verdict = one.change.verdict
    sure = f"{verdict}, more than chance" if verdict else "no more than chance could make"
    return (f"iteration {one.first} to {one.last}, {one.change.n:,} {one.split} questions: "
            f"{_share(one.before)} to {_share(one.after)}, {100 * paired.difference:+.1f} points "
            f"({100 * paired.low:+.1f} to {100 * paired.high:+.1f}): {sure}")


def _share(rate: tuple[float, float, float]) -> str:
    value, low, high = (100 * share for share in rate)
    return f"{value:.1f} % ({low:.0f} to {high:.0f})"
