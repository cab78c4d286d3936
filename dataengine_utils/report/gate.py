"""The report's part that holds what the gate did: every training it looked at, and why it passed or not."""

from typing import Any

from ..artifacts import Iteration
from ..gate import changed_text, student_text
from ..records import Attempt, Decided
from .data import interval_of, points
from .page import Html, absent, element, note, table
from .story import Story

RULES = {
    "off": "The gate is off: every training was promoted, and nothing was asked.",
    "no_fall": "A training is promoted unless the sealed score falls, or a question type falls by more than "
    "chance. Of trainings that are no better than the student before, that promotes half.",
    "rise": "A training is promoted only if the sealed score rises by more than chance, and no question type "
    "falls by more than chance.",
}


def section(story: Story) -> list[Any]:
    """Every attempt of every iteration, the rule in words, and what choosing does to the score."""
    decisions = {it: it.load("gate") for it in story.iterations if it.has("gate")}
    if not decisions and story.last_with("adapter"):
        return ["", note("No gate: an older version of the kit made this run; every training was promoted.")]
    if not decisions:
        return ["", absent("The gate's decisions", "06_train")]
    modes = dict.fromkeys(one.mode for one in decisions.values())
    n_promoted = sum(bool(one.promoted) for one in decisions.values())
    turns = "1 iteration" if len(decisions) == 1 else f"{len(decisions)} iterations"
    lead = f"{n_promoted} of {turns} promoted a student. {' '.join(RULES[mode] for mode in modes)}"
    header = ["iteration", "attempt", "changed", "verdict", "examples", "change", "95 % interval", "p"]
    rows = [_row(it, one) for it, decided in decisions.items() for one in decided.attempts]
    return [lead, table("What the gate looked at", header, rows, n_text=4), *_remarks(decisions)]


def _row(iteration: Iteration, one: Attempt) -> list[Any]:
    mark = element("span", "▲ promoted", class_="up") if one.promoted else "kept"
    verdict = Html(f"{mark} {element('small', one.reason)}")
    row = [str(iteration.number), one.name, changed_text(one.changed), verdict, f"{one.examples:,}"]
    if one.difference is None or one.low is None or one.high is None:
        return [*row, "–", "–", "–"]
    return [*row, points(one.difference), interval_of(one.low, one.high), f"{one.p:.2g}"]


def _remarks(decisions: dict[Iteration, Decided]) -> list[Html]:
    last = list(decisions.values())[-1]
    said = [f"From here on the student is {student_text(last.standing)}."]
    if last.mode != "off":
        said.append(
            f"Change: right answers to the sealed questions against the student before, in points; p is "
            f"two-sided. A type falls by more than chance below {last.level:g} after Holm's adjustment over "
            "the types."
        )
        most = max(len(one.attempts) for one in decisions.values())
        said += [_level(last)] if last.mode == "rise" else []
        said.append(_optimism(most))
    return [note(*said)]


def _level(decided: Decided) -> str:
    n = round(decided.level / decided.rise_level)
    shared = f", the level of {decided.level:g} divided between {n} attempts" if n > 1 else ""
    return f"The rise is tested one-sided at {decided.rise_level:.2g}{shared}."


def _optimism(most: int) -> str:
    """What choosing by the sealed questions does to the score that is reported."""
    if most == 1:
        return (
            "Who passes the gate was chosen by the score that is reported, which makes it optimistic by a "
            "little; there was one attempt in each iteration."
        )
    return (
        f"Who passes the gate was chosen by the score that is reported, in up to k = {most} attempts an "
        "iteration: that makes it optimistic by a little, the more the larger k is."
    )
