"""What a run has reached, as text: the state of every step, and the scores per type over iterations."""

from pathlib import Path

from .artifacts import Run
from .benchmarks.splits import remark, split_name
from .fingerprints import why_not_done
from .stages import Step
from .standing import is_kept

SPLIT = "sealed"
KEPT = "* the gate did not promote what was trained: the student, and its scores, are those before"


def steps_table(run: Run, steps: list[Step], notebooks: Path) -> str:
    """One line a step: done, or why it has to run."""
    reasons = {step.title: why_not_done(run, step, notebooks) for step in steps}
    return "\n".join(f"  {title:<33} {reason or 'done'}" for title, reason in reasons.items())


def progress_table(run: Run, planned: int | None = None) -> str:
    """Accuracy on the sealed questions, in per cent: a row per type, a column per iteration, the change.

    With `planned`, evaluations after that many iterations, made by a longer plan, are left out.
    """
    measured = [iteration for iteration in run.iterations()
                if iteration.has("metrics") and (planned is None or iteration.number <= planned)]
    if not measured:
        return "nothing is measured yet"
    scores = [iteration.load("metrics")[SPLIT] for iteration in measured]
    titles = [_title(run, iteration.number) for iteration in measured]
    rows = [_row(name, [score["types"].get(name, {}).get("accuracy") for score in scores])
            for name in scores[0]["types"]]
    overall = _row("all questions", [score["overall"]["accuracy"] for score in scores])
    width = max(len(row[0]) for row in [*rows, overall])
    head = [f"{split_name(scores[0], SPLIT)} questions right, %", *titles, "change"]
    width = max(width, len(head[0]))
    lines = [_line(row, width) for row in [head, *rows, overall]]
    rule = "-" * len(lines[0])
    notes = [remark(scores[0]), KEPT if any(title.endswith("*") for title in titles) else ""]
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1], *filter(None, notes)])


def _title(run: Run, number: int) -> str:
    kept = number > 0 and is_kept(run, number - 1)
    return "base" if number == 0 else f"after {number}{'*' if kept else ''}"


def _row(name: str, accuracies: list[float | None]) -> list[str]:
    known = [accuracy for accuracy in accuracies if accuracy is not None]
    change = f"{100 * (known[-1] - known[0]):+.1f}" if len(known) > 1 else ""
    return [name, *("" if accuracy is None else f"{100 * accuracy:.1f}" for accuracy in accuracies), change]


def _line(cells: list[str], width: int) -> str:
    return f"{cells[0]:<{width}}" + "".join(f"{cell:>10}" for cell in cells[1:])
