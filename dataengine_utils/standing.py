"""Which adapter the student wears in an iteration, what it was trained on, and what it answered already."""

from pathlib import Path

from .artifacts import Run
from .records import Decided, Prediction


def standing(run: Run, number: int) -> int | None:
    """The iteration whose adapter the student of iteration `number` wears; None for the base without one.

    That is the last one promoted before it. Without gate.json (a run of an older version of the kit) every
    training counts as promoted.
    """
    if number == 0:
        return None
    before = run.iteration(number - 1)
    return before.load("gate").standing if before.has("gate") else before.number


def standing_adapter(run: Run, number: int) -> Path | None:
    """The adapter that notebook 01 evaluates in iteration `number`, None for the base student.

    It is also the one that 06 starts from where a training begins at the last adapter. Raises `KitError` with
    the notebook to run where it is not there.
    """
    trained = standing(run, number)
    if number > 0 and trained != number - 1:
        return None if trained is None else run.iteration(trained).load("adapter")
    return run.previous("adapter", number)


def is_kept(run: Run, number: int) -> bool:
    """Whether the gate kept the student in iteration `number`, so that its adapter is not in use."""
    iteration = run.iteration(number)
    return iteration.has("gate") and not iteration.load("gate").promoted


def rounds_to_train_on(number: int, train_on: str) -> list[int]:
    """The rounds whose samples the training of iteration `number` uses: "all" so far, or only "this" one."""
    return [number] if train_on == "this" else list(range(number + 1))


def rounds_learned(run: Run, number: int | None) -> set[int]:
    """The rounds whose samples went into the adapter of iteration `number`; none for the base (None).

    A training from the last adapter has those of that one too.
    """
    if number is None:
        return set()
    rounds = set(rounds_to_train_on(number, run.profile.train_on))
    last = run.profile.start_from == "last"
    return rounds | (rounds_learned(run, standing(run, number)) if last else set())


def new_rounds(run: Run, first: int, last: int) -> list[int]:
    """The rounds whose samples the student of iteration `last` has learned from and that of `first` had not.

    Empty where the gate kept the student in between: then no sample can have changed anything.
    """
    before, after = (rounds_learned(run, standing(run, number)) for number in (first, last))
    return sorted(after - before)


def known_answers(run: Run, number: int) -> dict[str, list[Prediction]]:
    """The answers of the student of iteration `number` that the run has already, by split.

    Where the gate promoted the last training it asked it the sealed questions; where it kept the student, all
    its answers are those of the iteration before. Asking again would give the same.
    """
    before = run.iteration(number - 1) if number > 0 else None
    if before is None or not before.has("gate"):
        return {}
    decided: Decided = before.load("gate")
    if not decided.promoted:
        found = {split: f"predictions_{split}" for split in ("diagnose", "sealed")}
    else:
        found = {"sealed": "predictions_candidate"} if decided.mode != "off" else {}
    return {split: before.load(name) for split, name in found.items()}
