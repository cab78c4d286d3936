"""The tables that the notebooks look at: records in, a pandas table ready to show out."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from textwrap import shorten
from typing import Any

import pandas as pd
from pandas.io.formats.style import Styler

from .artifacts import ARTIFACTS, Run
from .benchmarks.splits import remark
from .instruction_data import Example
from .profiles import FIELDS, Profile, origins
from .question_types import QUESTION_TYPES, type_id
from .records import (
    BadCase,
    Decision,
    Generated,
    Prediction,
    Query,
    Question,
    Sample,
    Template,
    Trial,
    TypeWeakness,
)
from .stages import Step
from .weakness import STRATEGIES, type_table

ALL = "All questions"
Metrics = Mapping[str, Any]


# the run

def settings_table(run: Run, used: Profile, names: Sequence[str]) -> Styler:
    """The settings a page uses, each with its origin: a profile, "override" (run.json), "this notebook".

    `used` is the run's profile with the notebook's own parameters laid over it.
    """
    source = {name: origin for name, _, origin in origins(run.source, run.overrides)}
    same = {name: getattr(used, name) == getattr(run.profile, name) for name in names}
    return _words([{"setting": name, "value": _plain(getattr(used, name)),
                    "from": source[name] if same[name] else "this notebook"}
                   for name in FIELDS if name in names])


def plan_table(steps: Iterable[Step]) -> Styler:
    """The notebooks of a loop in order, with the files each reads and writes."""
    return _words([{"notebook": step.title,
                    "reads": ", ".join(_file(source.artifact, source.of) for source in step.stage.inputs),
                    "writes": ", ".join(ARTIFACTS[name].file for name in step.stage.outputs)}
                   for step in steps])


def turn_table(run: Run) -> Styler:
    """What each iteration of the run has made: queries, accepted samples, and the template used."""
    rows = []
    for iteration in run.iterations():
        n = {name: len(iteration.load(name)) if iteration.has(name) else 0 for name in ("queries", "samples")}
        share = f"{n['samples']:,} ({n['samples'] / n['queries']:.0%})" if n["queries"] else "–"
        decision = iteration.load("decision") if iteration.has("decision") else None
        rows.append({"iteration": iteration.number, "queries": f"{n['queries']:,}" if n["queries"] else "–",
                     "samples": share, "template": decision.template_id if decision else "–",
                     "chosen by": decision.chosen_by if decision else "–",
                     "why": decision.reason if decision else "–"})
    return _words(rows)


def progress_table(metrics_by_iteration: Sequence[Metrics], split: str = "sealed") -> Styler:
    """Right answers in per cent, a column an iteration, and the change since iteration 0 in points."""
    turns = [{**metrics[split]["types"], ALL: metrics[split]["overall"]} for metrics in metrics_by_iteration]
    rows = {}
    for name in turns[0]:
        shares = [turn[name]["accuracy"] for turn in turns]
        rows[name] = {"questions": turns[0][name]["n"],
                      **{f"iteration {i}": _percent(share) for i, share in enumerate(shares)},
                      "change": f"{100 * (shares[-1] - shares[0]):+.1f}"}
    return _numbers(rows, "question type, % right", remark(metrics_by_iteration[0][split]))


# questions and answers

def question_counts(questions: Mapping[str, Sequence[Question]]) -> Styler:
    """How many questions of each type each split has, and how many images."""
    counts = {split: Counter(q.question_type for q in asked) for split, asked in questions.items()}
    types = dict.fromkeys(name for of_split in counts.values() for name in of_split)
    rows = {name: {split: of_split[name] for split, of_split in counts.items()} for name in types}
    rows[ALL] = {split: len(asked) for split, asked in questions.items()}
    rows["images"] = {split: len({q.image_id for q in asked}) for split, asked in questions.items()}
    return _numbers(rows, "question type")


def reply_counts(predictions: Mapping[str, Sequence[Prediction]]) -> Styler:
    """The three outcomes of each split: right, wrong, and replies that could not be read as an answer."""
    counts = {split: Counter(p.outcome for p in given) for split, given in predictions.items()}
    return _numbers({split: {name: n[name] for name in ("right", "wrong", "unparsed")}
                     for split, n in counts.items()}, "split")


def score_table(metrics: Metrics, split: str) -> Styler:
    """Right answers by question type on one split, with the three outcomes and the 95 % interval."""
    scores = metrics[split]
    rows = {name: _rates(row) for name, row in {**scores["types"], ALL: scores["overall"]}.items()}
    return _numbers(rows, "question type", remark(scores))


def official_table(metrics: Metrics, split: str) -> Styler:
    """The scores that the field reports of a benchmark, on their own scales, with the rule that made them."""
    scores = metrics[split]
    official = scores.get("official", {"summary": {"right, %": 100 * scores["overall"]["accuracy"]}})
    rows = {name: {"score": value} for name, value in official["summary"].items()}
    rows |= {f"{table}: {row}": values for table, of_table in official.items() if table != "summary"
             for row, values in of_table.items()}
    columns = dict.fromkeys(column for values in rows.values() for column in values)
    shown = {name: {column: _score(values.get(column, "")) for column in columns}
             for name, values in rows.items()}
    rule = scores.get("rule", "the option or the text must be right")
    return _numbers(shown, "score", f"Scoring rule: {rule}. {remark(scores)}".strip())


# weak types and queries

def weakness_table(table: Sequence[TypeWeakness], metrics: Metrics) -> Styler:
    """The weakness table: counts, right answers with their interval, bad cases in the pool, weight.

    `metrics` are those of the split that was diagnosed.
    """
    rows = {row.question_type: {**_rates(vars(row)), "bad cases": row.bad_cases,
                                "weight, %": _percent(row.weight)} for row in table}
    return _numbers(rows, "question type", remark(metrics))


def strategy_table(predictions: Sequence[Prediction]) -> Styler:
    """The weight, in per cent, that every strategy would give each type."""
    weights = {name: {row.question_type: _percent(row.weight) for row in type_table(predictions, name)}
               for name in STRATEGIES}
    types = next(iter(weights.values()))
    return _numbers({kind: {name: weights[name][kind] for name in weights} for kind in types}, "weight, %")


def pool_table(wrong: Sequence[BadCase], pool: Sequence[BadCase]) -> Styler:
    """Wrong answers and what is left of them as bad cases, by question type."""
    before, after = (Counter(case.question_type for case in cases) for cases in (wrong, pool))
    rows = {name: {"wrong answers": before[name], "bad cases kept": after[name]} for name in before}
    rows[ALL] = {"wrong answers": len(wrong), "bad cases kept": len(pool)}
    return _numbers(rows, "question type")


def share_table(shares: Sequence[Mapping[str, Any]]) -> Styler:
    """What was planned against what was drawn, in per cent of the queries, with the draw's 95 % interval."""
    rows = {row["question_type"]: {"planned, %": _percent(row["planned"]), "drawn, %": _percent(row["drawn"]),
                                   "95 % interval": _interval(row)} for row in shares}
    return _numbers(rows, "question type")


def query_table(queries: Iterable[Query]) -> Styler:
    """Some queries: the type to serve, the image, and the bad cases shown to the teacher."""
    return _words([{"question type": query.question_type, "image": query.image_id,
                    "bad cases shown": " · ".join(f"{case.question} ({case.answer})"
                                                  for case in query.bad_cases)}
                   for query in queries])


# templates and samples

def template_table(templates: Iterable[Template], trials: Sequence[Trial]) -> Styler:
    """The template versions: what each adds, how many trials the checks accepted, and a person's verdicts."""
    return _words([_template_row(template, [t for t in trials if t.template_id == template.id])
                   for template in templates])


def reason_table(templates: Iterable[Template], trials: Iterable[Trial]) -> Styler:
    """How often each reason rejected a draft of each template."""
    counts = Counter((trial.reason, trial.template_id) for trial in trials if not trial.accepted)
    reasons = dict.fromkeys(reason for reason, _ in counts)
    names = {template.id: f"{template.id[:6]} {template.note}" for template in templates}
    rows = {reason: {name: counts[reason, key] for key, name in names.items()} for reason in reasons}
    return _numbers(rows, "rejected because")


def decision_table(decision: Decision) -> Styler:
    """A decision: the template chosen, by whom, why and when."""
    return _words([{"template": decision.template_id, "chosen by": decision.chosen_by, "why": decision.reason,
                    "time": decision.time or "–"}])


def acceptance_table(generated: Iterable[Generated]) -> Styler:
    """Accepted replies by question type."""
    verdicts: dict[str, list[bool]] = {}
    for reply in generated:
        verdicts.setdefault(reply.question_type, []).append(reply.accepted)
    return _numbers({name: {"queries": len(of_type), "accepted": sum(of_type),
                            "accepted, %": _percent(sum(of_type) / len(of_type))}
                     for name, of_type in sorted(verdicts.items(), key=_by_type)}, "question type")


def reject_table(generated: Iterable[Generated], n: int) -> Styler:
    """Some rejected replies: the first of each reason, then the second of each, `n` in all."""
    turn: Counter[str] = Counter()
    rejected = []
    for reply in generated:
        if not reply.accepted:
            turn[reply.reason] += 1
            rejected.append((turn[reply.reason], reply))
    rejected.sort(key=lambda entry: entry[0])
    return _words([{"reason": reply.reason, "question type": reply.question_type, "image": reply.image_id,
                    "reply": shorten(reply.reply, 400, placeholder=" …")} for _, reply in rejected[:n]])


def letter_table(samples: Iterable[Sample]) -> Styler:
    """How often each letter is the right one, by question type and in all."""
    counts = Counter((sample.question_type, sample.choice_answer) for sample in samples)
    types, letters = sorted({name for name, _ in counts}, key=_by_type), sorted({key[1] for key in counts})
    rows = {name: {letter: counts[name, letter] for letter in letters} for name in types}
    rows["All samples"] = {letter: sum(counts[name, letter] for name in types) for letter in letters}
    with_sums = {name: {**row, "samples": sum(row.values())} for name, row in rows.items()}
    return _numbers(with_sums, "question type")


# training

def example_counts(examples: Mapping[str, Sequence[Example]]) -> Styler:
    """How much of each kind of data is trained on: examples by form, in all, and images."""
    forms = dict.fromkeys(example.form for given in examples.values() for example in given)
    rows = {}
    for kind, given in examples.items():
        n = Counter(example.form for example in given)
        images = len({example.image for example in given})
        rows[kind] = {**{f"form {form}": n[form] for form in forms}, "examples": len(given),
                      "images": images}
    return _numbers(rows, "data")


def example_table(examples: Iterable[Example]) -> Styler:
    """Some training examples as the student meets them."""
    return _words([{"image": example.image, "question": example.question,
                    "options": " · ".join(example.options) or "–", "answer": example.answer,
                    "form": example.form}
                   for example in examples])


def summary_table(summary: Mapping[str, Any]) -> Styler:
    """A training in numbers."""
    return _words([{name.replace("_", " "): _plain(value) for name, value in summary.items()}])


def folder_table(folder: Path) -> Styler:
    """The files of a folder and their sizes."""
    return _words([{"file": path.name, "size": f"{path.stat().st_size / 1000:,.1f} kB"}
                   for path in sorted(folder.iterdir())])


def rule_table(template: Template) -> Styler:
    """The rules of a template, numbered."""
    return _words([{"": number, f"rules of {template.id}": rule}
                   for number, rule in enumerate(template.rules, start=1)])


def _template_row(template: Template, trials: Sequence[Trial]) -> dict[str, Any]:
    accepted, looked = sum(trial.accepted for trial in trials), [t.verdict for t in trials if t.verdict]
    return {"template": template.id, "what is new": template.note or "–", "rules": len(template.rules),
            "passed the checks": f"{accepted} of {len(trials)} ({accepted / max(len(trials), 1):.0%})",
            "accepted by hand": f"{looked.count('accept')} of {len(looked)}" if looked else "–"}


def _rates(row: Mapping[str, Any]) -> dict[str, Any]:
    return {"questions": row["n"], "right": row["right"], "wrong": row["wrong"], "unparsed": row["unparsed"],
            "right, %": _percent(row["accuracy"]), "95 % interval": _interval(row)}


def _by_type(entry: Any) -> tuple[int, str]:
    """SEED-Bench's types in their order, others after them by name."""
    name = entry if isinstance(entry, str) else entry[0]
    return type_id(name) or len(QUESTION_TYPES) + 1, name


def _file(artifact: str, of: str) -> str:
    return ARTIFACTS[artifact].file + ("" if of == "this" else f" ({of})")


def _numbers(rows: Mapping[str, Mapping[str, Any]], title: str, caption: str = "") -> Styler:
    """A table of numbers, names at the left; the row over everything is bold."""
    frame = pd.DataFrame.from_dict(rows, orient="index").rename_axis(title, axis="columns")
    light = {"selector": "th.row_heading", "props": "font-weight: normal"}
    right = {"selector": "td, th.col_heading", "props": "text-align: right"}
    position = list(rows).index(ALL) + 1 if ALL in rows else 0  # of no row
    bold = {"selector": f"tbody tr:nth-child({position}) > *", "props": "font-weight: bold"}
    return _styled(frame, [right, light, bold], caption)


def _words(rows: Sequence[Mapping[str, Any]], caption: str = "") -> Styler:
    """A table of texts without row names; long ones are wrapped."""
    wrap = "max-width: 42em; white-space: normal; overflow-wrap: anywhere; text-align: left"
    frame = pd.DataFrame(rows).astype(str)
    return _styled(frame, [{"selector": "td", "props": wrap}], caption).hide(axis="index")


def _styled(frame: pd.DataFrame, styles: list[dict[str, str]], caption: str = "") -> Styler:
    left = {"selector": "th, td", "props": "text-align: left; vertical-align: top"}
    below = {"selector": "caption", "props": "caption-side: bottom; text-align: left; padding-top: 6px"}
    if caption:
        return _styled(frame, [*styles, below]).set_caption(escape(caption))
    shown = frame.style.format(escape="html").format_index(escape="html")
    return shown.format_index(escape="html", axis="columns").set_table_styles([left, *styles])


def _plain(value: Any) -> str:
    """A setting or number as one would write it."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {item}" for key, item in value.items()) or "–"
    if isinstance(value, tuple):
        return ", ".join(value)
    return f"{value:g}" if isinstance(value, float) else str(value)


def _score(value: float | str | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def _percent(share: float) -> str:
    return f"{100 * share:.1f}"


def _interval(row: Mapping[str, Any]) -> str:
    return f"{100 * row['low']:.1f} – {100 * row['high']:.1f}"
