"""The report's parts about the work done: bad cases, samples, the teacher's replies, its prompt, the training."""

from collections import Counter
from typing import Any

from .. import plots
from ..artifacts import Iteration, Run
from ..records import BadCase, Decision, Sample
from .data import last_with, percent, question_pictures, sample_pictures, spread, weakest_first
from .page import Html, absent, card, element, figure, html, join, picture, side_by_side, table

N_PICTURES = 8


def bad_cases(run: Run, iterations: list[Iteration]) -> list[Any]:
    last = last_with(iterations, "bad_cases")
    if last is None:
        return ["", absent("Bad cases", "02_weakness")]
    cases = last.load("bad_cases")
    shown = spread(cases, lambda case: case.question_type, weakest_first(last), N_PICTURES)
    open_picture = question_pictures(run)
    lead = (
        f"{len(cases):,} bad cases were left in the pool of iteration {last.number} after near-copies were dropped; "
        f"here are {len(shown)}, weakest types first."
    )
    cards = [
        _bad_case_card(case, picture(open_picture(case.question_id), f"Picture of: {case.question}"))
        for case in shown
    ]
    return [lead, side_by_side(cards, "cards")]


def _bad_case_card(case: BadCase, shown: Html) -> Html:
    lines = [_line("right:", case.answer), _line("the student:", case.reply.strip() or "(nothing)")]
    return card(shown, case.question_type, case.question, lines)


def samples(run: Run, iterations: list[Iteration]) -> list[Any]:
    last = last_with(iterations, "samples")
    if last is None:
        return ["", absent("Samples", "05_generate")]
    samples = last.load("samples")
    shown = spread(samples, lambda sample: sample.question_type, weakest_first(last), N_PICTURES)
    open_picture = sample_pictures(run)
    lead = f"{len(samples):,} samples were accepted in iteration {last.number}; here are {len(shown)}."
    cards = [
        _sample_card(sample, picture(open_picture(sample.image), f"Picture of: {sample.instruction}"))
        for sample in shown
    ]
    return [lead, side_by_side(cards, "cards")]


def _sample_card(sample: Sample, shown: Html) -> Html:
    letters = [chr(ord("A") + i) for i in range(len(sample.options))]
    options = [
        element("b", f"{letter}\N{NO-BREAK SPACE}{option}\N{NO-BREAK SPACE}✓") if letter == sample.choice_answer else html(f"{letter}\N{NO-BREAK SPACE}{option}")
        for letter, option in zip(letters, sample.options, strict=True)
    ]
    lines = [element("span", Html(" · ".join(options)), class_="row"), _line("answer:", sample.answer)]
    return card(shown, sample.question_type, sample.instruction, lines)


def _line(label: str, text: str) -> Html:
    return element("span", join([label, element("b", text)]), class_="row")


def generation(_: Run, iterations: list[Iteration]) -> list[Any]:
    replies = {it.number: it.load("generated") for it in iterations if it.has("generated")}
    if not replies:
        return ["", absent("The teacher's replies", "05_generate")]
    everything = [reply for batch in replies.values() for reply in batch]
    accepted = sum(reply.accepted for reply in everything)
    reasons = [reason for reason, _ in Counter(r.reason for r in everything if not r.accepted).most_common()]
    rows = []
    for number, batch in replies.items():
        counts = Counter(reply.reason for reply in batch if not reply.accepted)
        n_good = len(batch) - counts.total()
        rows.append(
            [
                f"iteration {number}",
                f"{len(batch):,}",
                f"{n_good:,}",
                percent(n_good / max(len(batch), 1)),
                *[f"{counts[reason]:,}" for reason in reasons],
            ]
        )
    header = ["", "replies", "accepted", "accepted, %", *reasons]
    drawing = figure(
        plots.reasons_bars(everything),
        f"{accepted:,} of {len(everything):,} replies accepted; the rest by reason",
    )
    return [
        "Every reply of the teacher is kept, and every rejected one has the reason why.",
        drawing,
        table("Replies by verdict", header, rows),
    ]


def prompt(_: Run, iterations: list[Iteration]) -> list[Any]:
    decided = [(it, it.load("decision")) for it in iterations if it.has("decision")]
    if not decided:
        return ["", absent("The choice of a template", "04_prompt_optimization")]
    rows = [
        [
            f"iteration {it.number}",
            element("code", decision.template_id),
            decision.chosen_by,
            decision.reason,
            _tried(decision),
        ]
        for it, decision in decided
    ]
    parts = [
        table(
            "Template chosen", ["", "template", "chosen by", "reason", "accepted when tried"], rows, n_text=5
        )
    ]
    last = last_with(iterations, "template")
    if last is not None:
        template = last.load("template")
        parts += [
            element("h3", f"The rules of {template.id}, used in iteration {last.number}"),
            element("ol", join(element("li", rule) for rule in template.rules)),
        ]
    return ["Versions of the generation prompt are tried on a few queries, and one is chosen.", *parts]


def _tried(decision: Decision) -> Html:
    best_first = sorted(decision.acceptance.items(), key=lambda item: -item[1])
    return Html("<br>".join(f"{element('code', name)} {percent(share)} %" for name, share in best_first))


def training(_: Run, iterations: list[Iteration]) -> list[Any]:
    logs = {
        it: [row for row in it.load("train_log") if "loss" in row] for it in iterations if it.has("train_log")
    }
    logs = {it: log for it, log in logs.items() if log}
    if not logs:
        return ["", absent("The training log", "06_train")]
    rows = []
    for it, log in logs.items():
        tenth = max(1, len(log) // 10)
        n_new = len(it.load("samples")) if it.has("samples") else 0
        first, last = (sum(row["loss"] for row in part) / tenth for part in (log[:tenth], log[-tenth:]))
        rows.append(
            [f"iteration {it.number}", f"{n_new:,}", f"{log[-1]['step']:,}", f"{first:.3f}", f"{last:.3f}"]
        )
    drawing = figure(
        plots.loss_curves({f"iteration {it.number}": log for it, log in logs.items()}),
        "Training loss by step, one line an iteration; the table below has its first and last tenth",
    )
    return [
        "",
        drawing,
        table("Training", ["", "new samples", "steps", "loss, first tenth", "loss, last tenth"], rows),
    ]
