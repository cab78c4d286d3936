"""The report's parts about the work done: bad cases, samples, replies, the training."""

from collections import Counter
from textwrap import shorten
from typing import Any

from .. import plots
from ..artifacts import Iteration
from ..lineage import replied
from ..records import LETTERS, BadCase, Generated, Sample
from .data import percent, spread, weakest_first
from .page import Html, absent, card, element, html, join, picture, side_by_side, table
from .story import Story

N_PICTURES = 8
N_REJECTS = 5


def bad_cases(story: Story) -> list[Any]:
    """Pictures of bad cases of the latest iteration, a few of each weak type."""
    last = story.last_with("bad_cases")
    if last is None:
        return ["", absent("Bad cases", "02_weakness")]
    cases = last.load("bad_cases")
    shown = spread(cases, lambda case: case.question_type, weakest_first(last), N_PICTURES)
    open_picture = story.question_picture
    lead = (
        f"{len(cases):,} bad cases are in the pool of iteration {last.number}, near-copies dropped; "
        f"here are {len(shown)}, weakest types first."
    )
    cards = [
        bad_case_card(case, picture(open_picture(case.question_id), f"Picture of: {case.question}"))
        for case in shown
    ]
    return [lead, side_by_side(cards, "cards")]


def bad_case_card(case: BadCase, shown: Html) -> Html:
    """A bad case with its picture, the right answer and what the student replied."""
    lines = [_line("right:", case.answer), _line("the student:", replied(case))]
    return card(shown, case.question_type, case.question, lines)


def samples(story: Story) -> list[Any]:
    """Pictures of samples of the latest iteration, a few of each type."""
    last = story.last_with("samples")
    if last is None:
        return ["", absent("Samples", "05_generate")]
    made = last.load("samples")
    shown = spread(made, lambda sample: sample.question_type, weakest_first(last), N_PICTURES)
    open_picture = story.sample_picture
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


def replies(story: Story) -> list[Any]:
    """What became of the teacher's replies: accepted, or rejected and why, by reason and by type."""
    batches: dict[int, list[Generated]] = story.all_with("generated")
    if not batches:
        return ["", absent("The teacher's replies", "05_generate")]
    everything = [reply for batch in batches.values() for reply in batch]
    accepted = sum(reply.accepted for reply in everything)
    alt = (
        f"{accepted:,} of {len(everything):,} replies accepted; the table below has the reasons of the others"
    )
    counts = Counter("accepted" if reply.accepted else reply.reason for reply in everything)
    rows = [{"verdict": verdict, "replies": n} for verdict, n in counts.most_common()]
    drawing = story.figures.add("replies", plots.reasons_bars(everything), alt, rows)
    lead = "Every reply of the teacher is kept, and every rejected one has the reason why."
    return [lead, drawing, _verdicts(batches), _acceptance(everything), _rejects(everything)]


def _acceptance(replies: list[Generated]) -> Html:
    """Accepted replies of each type over all iterations, and the reason that cost it most."""
    by_type: dict[str, list[Generated]] = {}
    for reply in replies:
        by_type.setdefault(reply.question_type, []).append(reply)
    header = ["question type", "most frequent reason of rejection", "replies", "accepted", "accepted, %"]
    rows = []
    for name, given in by_type.items():
        accepted = sum(reply.accepted for reply in given)
        reasons = Counter(reply.reason for reply in given if not reply.accepted).most_common(1)
        reason = f"{reasons[0][0]} ({reasons[0][1]:,})" if reasons else "–"
        rows.append([name, reason, f"{len(given):,}", f"{accepted:,}", percent(accepted / len(given))])
    return table("Acceptance by question type, all iterations", header, rows, n_text=2)


def _rejects(replies: list[Generated]) -> Html:
    """One rejected reply of each of the most frequent reasons."""
    reasons = Counter(reply.reason for reply in replies if not reply.accepted).most_common(N_REJECTS)
    first = {reply.reason: reply for reply in reversed(replies) if not reply.accepted}
    rows = [[reason, first[reason].question_type, _said(first[reason])] for reason, _ in reasons]
    header = ["reason", "question type", "reply"]
    return table("A rejected reply of each reason", header, rows, n_text=3) if rows else Html("")


def _said(reply: Generated) -> str:
    """The question with its options as far as the reply could be read, else the reply's beginning."""
    draft = reply.draft
    text = f"{draft.instruction} {' · '.join(draft.options)} ({draft.choice})" if draft else reply.reply
    return shorten(text, 200, placeholder=" …")


def _verdicts(batches: dict[int, list[Generated]]) -> Html:
    columns = [Counter("accepted" if r.accepted else r.reason for r in batch) for batch in batches.values()]
    total = sum(columns, Counter[str]())
    names = ["accepted", *[name for name, _ in total.most_common() if name != "accepted"]]
    rows = [[name, *[f"{counts[name]:,}" for counts in columns]] for name in names]
    shares = [percent(counts["accepted"] / max(counts.total(), 1)) for counts in columns]
    rows.append(["accepted, % of all", *shares])
    header = ["verdict", *[f"iteration {i}" for i in batches]]
    return table("Replies by verdict", header, rows, last_is_total=True)


def training(story: Story) -> list[Any]:
    """The loss curves, and what was trained on."""
    logs = {it: it.load("train_log") for it in story.iterations if it.has("train_log")}
    losses = {it: [row for row in log if "loss" in row and "step" in row] for it, log in logs.items()}
    losses = {it: log for it, log in losses.items() if log}
    if not losses:
        return ["", absent("The training log", "06_train")]
    curves = plots.loss_curves({f"iteration {it.number}": log for it, log in losses.items()})
    points = [{"iteration": it.number, "step": row["step"], "loss": row["loss"]}
              for it, log in losses.items() for row in log]
    alt = "Training loss by step, one line an iteration; the table below has its first and last tenth"
    header = ["iteration", "new samples", "steps", "loss, first tenth", "loss, last tenth"]
    rows = [_training_row(it, log) for it, log in losses.items()]
    drawing = story.figures.add("training_loss", curves, alt, points)
    return ["", drawing, table("Training", header, rows)]


def _training_row(iteration: Iteration, log: list[dict[str, Any]]) -> list[str]:
    tenth = max(1, len(log) // 10)
    first, last = (sum(row["loss"] for row in part) / tenth for part in (log[:tenth], log[-tenth:]))
    n_new = f"{len(iteration.load('samples')):,}" if iteration.has("samples") else ""
    return [str(iteration.number), n_new, f"{log[-1]['step']:,}", f"{first:.3f}", f"{last:.3f}"]
