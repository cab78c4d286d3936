"""The rule: whether a trained student is better than the one before, by the same sealed questions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from ..errors import KitError, unknown_name
from ..records import Prediction
from ..stats import Paired
from ..weakness import Change, changes

Mode = Literal["off", "no_fall", "rise"]


@dataclass(frozen=True)
class Verdict:
    """Whether a student is promoted, and why in words.

    `changes` has each question type's change and that of "all" (see `weakness.changes`), empty where nothing
    was asked; `fell` are the types that fell by more than chance.
    """

    promoted: bool
    reason: str
    fell: tuple[str, ...] = ()
    changes: Mapping[str, Change] = field(default_factory=dict)

    @property
    def paired(self) -> Paired | None:
        """The change of all questions; None where nothing was asked."""
        return self.changes["all"].paired if self.changes else None

    @property
    def lowest(self) -> str:
        """The type with the lowest change, "" where nothing was asked."""
        types = {name: one.paired.difference for name, one in self.changes.items() if name != "all"}
        return min(types, key=types.__getitem__, default="")


def decide(
    before: Sequence[Prediction],
    after: Sequence[Prediction],
    mode: Mode = "rise",
    level: float = 0.05,
    *,
    attempts: int = 1,
) -> Verdict:
    """Whether the student that answered `after` may take the place of the one that answered `before`.

    Never where the share of right answers falls, or that of a type falls by more than chance (exact McNemar,
    two-sided, Holm over the types, at `level`). That is all of "no_fall", which promotes half of all students
    that are no better. With "rise" the rise of all questions must be more than chance too: by McNemar's exact
    test (the paired z test for partial credit), one-sided, at `level / attempts`, so that of `attempts`
    students that are no better none is promoted with a probability of 1 - `level` or more. "off" promotes
    without looking.

    Raises `KitError` for an unknown mode, a level outside 0..0.5, fewer than 1 attempts, and for answers to
    other or no questions.
    """
    if mode not in get_args(Mode):
        raise unknown_name("gate", mode, get_args(Mode))
    if mode == "off":
        return Verdict(True, "the gate is off: every training is promoted")
    needed = rise_level(level, attempts)
    if not before:
        raise KitError(
            "the gate has no sealed answers to compare with; run notebook 01_evaluate first, or set gate=off"
        )
    found = changes(before, after)
    fell = tuple(name for name, one in found.items() if name != "all" and _fell(one, level))
    reason = _why_not(found["all"].paired, fell, needed if mode == "rise" else None)
    return Verdict(not reason, reason or _why(found["all"].paired, mode, needed), fell, found)


def rise_level(level: float, attempts: int) -> float:
    """The level of the one-sided test of the rise in each of so many attempts (Bonferroni)."""
    if not 0 < level <= 0.5 or attempts < 1:
        raise KitError(
            f"gate: level {level!r} with {attempts!r} attempts; allowed are a level above 0 and at "
            "most 0.5 (gate_level), and 1 attempt or more"
        )
    return level / attempts


def one_sided(paired: Paired) -> float:
    """The p-value of a rise: half of the two-sided one where the share rose, else 1."""
    return paired.p / 2 if paired.difference > 0 else 1.0


def _fell(one: Change, level: float) -> bool:
    return one.adjusted < level and one.paired.difference < 0


def _why_not(paired: Paired, fell: Sequence[str], needed: float | None) -> str:
    """The reasons against, "" for none; `needed` is the level of the rise, None where none is asked for."""
    reasons = []
    if paired.difference < 0:
        reasons.append("the sealed score falls")
    if fell:
        reasons.append(f"{', '.join(fell)} fell by more than chance")
    if needed is not None and paired.difference >= 0 and one_sided(paired) >= needed:
        reasons.append(
            f"the rise is no more than chance (p = {one_sided(paired):.2g}, one-sided; below "
            f"{needed:.2g} is needed)"
        )
    return "; ".join(reasons)


def _why(paired: Paired, mode: Mode, needed: float) -> str:
    if mode == "no_fall":
        return "the sealed score does not fall, nor does any type by more than chance"
    return (
        f"the rise is more than chance (p = {one_sided(paired):.2g}, one-sided, below {needed:.2g}), and no "
        "type fell by more than chance"
    )
