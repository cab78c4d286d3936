"""Tables about the gate: what was trained for it, and what came of it."""

from typing import Any

from pandas.io.formats.style import Styler

from ..gate import Trials, Tried, changed_text
from ..records import Attempt
from ..weakness import Change
from .style import ALL, numbers, plain, words


def attempt_table(trials: Trials) -> Styler:
    """Each training: what it changed, what it took, the change of all sealed questions, and the verdict."""
    return words([_row(one) for one in trials.tried])


def attempt_changes_table(trials: Trials) -> Styler:
    """How each type changed against the student before, in points, in every attempt."""
    tried = [one for one in trials.tried if one.verdict.changes]
    if not tried:
        return words([{"changes": "none known: the gate is off, nothing was asked"}])
    names = list(tried[0].verdict.changes)
    return numbers({
        ALL if name == "all" else name: {
            one.plan.name: _change(one.verdict.changes[name], name in one.verdict.fell) for one in tried
        } for name in names
    }, "question type")  # fmt: skip


def _row(one: Tried) -> dict[str, Any]:
    attempt, summary = one.attempt, one.summary
    return {
        "attempt": attempt.name, "changed": changed_text(attempt.changed),
        "examples": f"{attempt.examples:,}", "training, s": plain(summary.get("seconds", "–")),
        "change, points": _points(attempt), "promoted": "yes" if attempt.promoted else "no",
        "why": attempt.reason,
    }  # fmt: skip


def _points(attempt: Attempt) -> str:
    if attempt.difference is None:
        return "not asked"
    change, low, high = (f"{100 * share:+.1f}" for share in (attempt.difference, attempt.low, attempt.high))
    return f"{change} ({low} to {high})"


def _change(change: Change, fell: bool) -> str:
    return f"{100 * change.paired.difference:+.1f}{' (fell)' if fell else ''}"
