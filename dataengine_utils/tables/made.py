"""Tables about what is made: templates tried, samples generated, the training."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from textwrap import shorten
from typing import Any

from pandas.io.formats.style import Styler

from ..artifacts import JUDGE_LEDGER_FILE, LEDGER_FILE, Run
from ..instruction_data import Example
from ..question_types import QUESTION_TYPES, type_id
from ..records import Decision, Generated, Sample, Template, Trial
from ..teachers.ledger import Ledger
from .style import numbers, percent, plain, words


def reason_table(templates: Iterable[Template], trials: Iterable[Trial]) -> Styler:
    """How often each reason rejected a draft of each template."""
    counts = Counter((trial.reason, trial.template_id) for trial in trials if not trial.accepted)
    reasons = dict.fromkeys(reason for reason, _ in counts)
    names = {template.id: f"{template.id[:6]} {template.note}" for template in templates}
    rows = {reason: {name: counts[reason, key] for key, name in names.items()} for reason in reasons}
    return numbers(rows, "rejected because")


def decision_table(decision: Decision) -> Styler:
    """A decision: the template chosen, by whom, why and when."""
    return words([{"template": decision.template_id, "chosen by": decision.chosen_by, "why": decision.reason,
                    "time": decision.time or "–"}])


def acceptance_table(generated: Iterable[Generated]) -> Styler:
    """Accepted replies by question type."""
    verdicts: dict[str, list[bool]] = {}
    for reply in generated:
        verdicts.setdefault(reply.question_type, []).append(reply.accepted)
    return numbers({name: {"queries": len(of_type), "accepted": sum(of_type),
                            "accepted, %": percent(sum(of_type) / len(of_type))}
                     for name, of_type in sorted(verdicts.items(), key=_by_type)}, "question type")


def verdict_table(generated: Iterable[Generated]) -> Styler:
    """What was decided about the accepted replies, by question type: all options, some or none of them."""
    counts: dict[str, Counter[str]] = {}
    for reply in generated:
        if reply.accepted:
            counts.setdefault(reply.question_type, Counter())[_decided(reply)] += 1
    columns = ("all options", "some options", "no option", "by a second teacher")
    return numbers({name: {column: counts[name][column] for column in columns}
                    for name in sorted(counts, key=lambda name: type_id(name) or 99)}, "accepted, decided")


def _decided(reply: Generated) -> str:
    if "second_teacher" in reply.verdicts:
        return "by a second teacher"
    decided = [verdict != "undecided" for verdict in reply.verdicts.get("options", {}).values()]
    return "all options" if decided and all(decided) else "some options" if any(decided) else "no option"


def spend_table(run: Run, generated: Iterable[Generated]) -> Styler:
    """What the teachers of a run have cost so far, by their ledgers, and what a sample here did."""
    rows: dict[str, dict[str, Any]] = {}
    generated = list(generated)
    accepted = sum(reply.accepted for reply in generated)
    for who, file in (("teacher", LEDGER_FILE), ("second teacher", JUDGE_LEDGER_FILE)):
        if (run.path / file).exists():
            with closing(Ledger(run.path / file, for_reading=True)) as ledger:
                totals, answers = ledger.totals(), [ledger.answer(reply.request) for reply in generated]
            rows[who] = {
                "requests": totals.requests, "answered": totals.answered, "attempts": totals.attempts,
                "tokens in": totals.prompt_tokens, "tokens out": totals.completion_tokens,
                "USD": f"{totals.usd:.2f}",
            }
            here = sum(answer.usd for answer in answers if answer)
            if accepted and here:
                rows[who]["USD per sample here"] = f"{here / accepted:.4f}"
    if not rows:
        return words([{"spend": "nothing: this teacher sends no requests"}])
    return numbers(rows, "so far").format(na_rep="")


def reject_table(generated: Iterable[Generated], n: int) -> Styler:
    """Some rejected replies: the first of each reason, then the second of each, `n` in all."""
    turn: Counter[str] = Counter()
    rejected = []
    for reply in generated:
        if not reply.accepted:
            turn[reply.reason] += 1
            rejected.append((turn[reply.reason], reply))
    rejected.sort(key=lambda entry: entry[0])
    return words([{"reason": reply.reason, "question type": reply.question_type, "image": reply.image_id,
                    "reply": shorten(reply.reply, 400, placeholder=" …")} for _, reply in rejected[:n]])


def letter_table(samples: Iterable[Sample]) -> Styler:
    """How often each letter is the right one, by question type and in all."""
    counts = Counter((sample.question_type, sample.choice_answer) for sample in samples)
    types, letters = sorted({name for name, _ in counts}, key=_by_type), sorted({key[1] for key in counts})
    rows = {name: {letter: counts[name, letter] for letter in letters} for name in types}
    rows["All samples"] = {letter: sum(counts[name, letter] for name in types) for letter in letters}
    with_sums = {name: {**row, "samples": sum(row.values())} for name, row in rows.items()}
    return numbers(with_sums, "question type")


def example_counts(examples: Mapping[str, Sequence[Example]]) -> Styler:
    """How much of each kind of data is trained on: examples by form, in all, and images."""
    forms = dict.fromkeys(example.form for given in examples.values() for example in given)
    rows = {}
    for kind, given in examples.items():
        n = Counter(example.form for example in given)
        images = len({example.image for example in given})
        rows[kind] = {**{f"form {form}": n[form] for form in forms}, "examples": len(given),
                      "images": images}
    return numbers(rows, "data")


def example_table(examples: Iterable[Example]) -> Styler:
    """Some training examples as the student meets them."""
    return words([{"image": example.image, "question": example.question,
                    "options": " · ".join(example.options) or "–", "answer": example.answer,
                    "form": example.form}
                   for example in examples])


def summary_table(summary: Mapping[str, Any]) -> Styler:
    """A training in numbers."""
    return words([{name.replace("_", " "): plain(value) for name, value in summary.items()}])


def folder_table(folder: Path) -> Styler:
    """The files of a folder and their sizes."""
    return words([{"file": path.name, "size": f"{path.stat().st_size / 1000:,.1f} kB"}
                   for path in sorted(folder.iterdir())])


def rule_table(template: Template) -> Styler:
    """The rules of a template, numbered."""
    return words([{"": number, f"rules of {template.id}": rule}
                   for number, rule in enumerate(template.rules, start=1)])


def _by_type(entry: Any) -> tuple[int, str]:
    """SEED-Bench's types in their order, others after them by name."""
    name = entry if isinstance(entry, str) else entry[0]
    return type_id(name) or len(QUESTION_TYPES) + 1, name
