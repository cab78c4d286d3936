"""The report's parts about the work done: bad cases, samples, replies, the prompt, the training."""

from collections import Counter
from typing import Any

from .. import plots
from ..artifacts import Iteration, Run
from ..records import LETTERS, BadCase, Decision, Generated, Sample
from .data import last_with, percent, question_pictures, sample_pictures, spread, weakest_first
from .page import Html, absent, card, element, figure, html, join, picture, side_by_side, table

N_PICTURES = 8


def bad_cases(run: Run, iterations: list[Iteration]) -> list[Any]:
    """Pictures of bad cases of the latest iteration, a few of each weak type."""
    last = last_with(iterations, "bad_cases")
    if last is None:
        return ["", absent("Bad cases", "02_weakness")]
    cases = last.load("bad_cases")
    shown = spread(cases, lambda case: case.question_type, weakest_first(last), N_PICTURES)
    open_picture = question_pictures(run)
    lead = (
        f"{len(cases):,} bad cases are in the pool of iteration {last.number}, near-copies dropped; "
        f"here are {len(shown)}, weakest types first."
    )
    cards = [
        _bad_case_card(case, picture(open_picture(case.question_id), f"Picture of: {case.question}"))
        for case in shown
    ]
    return [lead, side_by_side(cards, "cards")]


def _bad_case_card(case: BadCase, shown: Html) -> Html:
    lines = [_line("right:", case.answer), _line("the student:", _reply(case))]
    return card(shown, case.question_type, case.question, lines)


def _reply(case: BadCase) -> str:
    """What the student replied, raw; a lone letter with the option that it names."""
    reply = case.reply.strip()
    option = dict(zip(LETTERS, case.options, strict=False)).get(reply)
    return f"{reply} {option}" if option else reply or "(nothing)"


def samples(run: Run, iterations: list[Iteration]) -> list[Any]:
    """Pictures of samples of the latest iteration, a few of each type."""
    last = last_with(iterations, "samples")
    if last is None:
        return ["", absent("Samples", "05_generate")]
    made = last.load("samples")
    shown = spread(made, lambda sample: sample.question_type, weakest_first(last), N_PICTURES)
    open_picture = sample_pictures(run)
    lead = f"{len(made):,} samples were accepted in iteration {last.number}; here are {len(shown)}."
    cards = [
        _sample_card(sample, picture(open_picture(sample.image), f"Picture of: {sample.instruction}"))
        for sample in shown
    ]
    return [lead, side_by_side(cards, "cards")]


def _sample_card(sample: Sample, shown: Html) -> Html:
    options = []
    for letter, option in zip(LETTERS, sample.options, strict=False):
        text = f"{letter}\N{NO-BREAK SPACE}{option}"
        right = letter == sample.choice_answer
        options.append(element("b", f"{text}\N{NO-BREAK SPACE}✓") if right else html(text))
    lines = [element("span", Html(" · ".join(options)), class_="row"), _line("answer:", sample.answer)]
    return card(shown, sample.question_type, sample.instruction, lines)


def _line(label: str, text: str) -> Html:
    return element("span", join([label, element("b", text)]), class_="row")


def replies(_: Run, iterations: list[Iteration]) -> list[Any]:
    """What became of the teacher's replies: accepted, or rejected and why."""
    batches = {it.number: it.load("generated") for it in iterations if it.has("generated")}
    if not batches:
        return ["", absent("The teacher's replies", "05_generate")]
    everything = [reply for batch in batches.values() for reply in batch]
    accepted = sum(reply.accepted for reply in everything)
    alt = (
        f"{accepted:,} of {len(everything):,} replies accepted; the table below has the reasons of the others"
    )
    lead = "Every reply of the teacher is kept, and every rejected one has the reason why."
    return [lead, figure(plots.reasons_bars(everything), alt), _verdicts(batches)]


def _verdicts(batches: dict[int, list[Generated]]) -> Html:
    columns = [Counter("accepted" if r.accepted else r.reason for r in batch) for batch in batches.values()]
    total = sum(columns, Counter[str]())
    names = ["accepted", *[name for name, _ in total.most_common() if name != "accepted"]]
    rows = [[name, *[f"{counts[name]:,}" for counts in columns]] for name in names]
    shares = [percent(counts["accepted"] / max(counts.total(), 1)) for counts in columns]
    rows.append(["accepted, % of all", *shares])
    return table("Replies by verdict", ["", *[f"iteration {i}" for i in batches]], rows, last_is_total=True)


def prompt(_: Run, iterations: list[Iteration]) -> list[Any]:
    """Which template was chosen in each iteration, on what grounds, and the rules of the latest."""
    decided = [(it.number, it.load("decision")) for it in iterations if it.has("decision")]
    if not decided:
        return ["", absent("The choice of a template", "04_prompt_optimization")]
    header = ["", "template", "chosen by", "reason", "accepted when tried"]
    rows = [
        [f"iteration {number}", element("code", d.template_id), d.chosen_by, d.reason, _tried(d)]
        for number, d in decided
    ]
    parts = [table("Template chosen", header, rows, n_text=len(header))]
    last = last_with(iterations, "template")
    if last is not None:
        template = last.load("template")
        parts.append(element("h3", f"The rules of {template.id}, used in iteration {last.number}"))
        parts.append(element("ol", join(element("li", rule) for rule in template.rules)))
    return ["Versions of the generation prompt are tried on a few queries, and one is chosen.", *parts]


def _tried(decision: Decision) -> Html:
    best_first = sorted(decision.acceptance.items(), key=lambda item: -item[1])
    space = "\N{NO-BREAK SPACE}"
    lines = [f"{element('code', name)}{space}{percent(share)}{space}%" for name, share in best_first]
    return Html("<br>".join(lines))


def training(_: Run, iterations: list[Iteration]) -> list[Any]:
    """The loss curves, and what was trained on."""
    logs = {it: it.load("train_log") for it in iterations if it.has("train_log")}
    losses = {it: [row for row in log if "loss" in row and "step" in row] for it, log in logs.items()}
    losses = {it: log for it, log in losses.items() if log}
    if not losses:
        return ["", absent("The training log", "06_train")]
    drawing = plots.loss_curves({f"iteration {it.number}": log for it, log in losses.items()})
    alt = "Training loss by step, one line an iteration; the table below has its first and last tenth"
    header = ["", "new samples", "steps", "loss, first tenth", "loss, last tenth"]
    rows = [_training_row(it, log) for it, log in losses.items()]
    return ["", figure(drawing, alt), table("Training", header, rows)]


def _training_row(iteration: Iteration, log: list[dict[str, Any]]) -> list[str]:
    tenth = max(1, len(log) // 10)
    first, last = (sum(row["loss"] for row in part) / tenth for part in (log[:tenth], log[-tenth:]))
    n_new = f"{len(iteration.load('samples')):,}" if iteration.has("samples") else ""
    return [f"iteration {iteration.number}", n_new, f"{log[-1]['step']:,}", f"{first:.3f}", f"{last:.3f}"]
