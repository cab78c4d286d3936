"""A/A runs: how often the gate promotes a student over one that differs from it in the seed alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

from .. import files
from ..ablation.journal import FILE
from ..artifacts import RUN_FILE, Run, open_run
from ..errors import KitError
from ..records import Prediction
from ..weakness import change
from .deciding import Mode, decide

MODES: tuple[Mode, ...] = ("no_fall", "rise")


@dataclass(frozen=True)
class Student:
    """The answers of one cell after one round; `diagnose` is None after the last, which asks them not."""

    sealed: list[Prediction]
    diagnose: list[Prediction] | None


@dataclass(frozen=True)
class Promotions:
    """How many of the `pairs` of one round (None: of all rounds) a gate promotes.

    `students` is how many trained students the pairs are made of. A student of another seed may truly be the
    better one; so of the `checked` pairs, which also answered the diagnose questions, `refuted` counts those
    that were promoted and are not better there: false promotions, by questions the gate did not see.
    """

    mode: Mode
    round: int | None
    students: int
    pairs: int
    promoted: int
    checked: int
    refuted: int

    @property
    def share(self) -> float:
        """Promotions among the pairs (0..1)."""
        return self.promoted / self.pairs

    @property
    def refuted_share(self) -> float | None:
        """False promotions among the checked pairs (0..1); None where there are none."""
        return self.refuted / self.checked if self.checked else None


def false_promotions(study: str | Path, *, level: float = 0.05, attempts: int = 1) -> list[Promotions]:
    """How often the gate would promote, among the finished cells of a study, a student that is no better.

    Two cells of one strategy have, after the same round, students that differ in nothing but the seed. Every
    ordered pair of them is one question to the gate: may the second take the place of the first? By round,
    and over all rounds. `attempts` is how many trainings share the level. The study is only read. Raises
    `KitError` where there are not two such cells.
    """
    groups = _students(Path(study))
    numbers = sorted({number for _, number in groups})
    table = []
    for mode in MODES:
        rows = []
        for number in numbers:
            of_round = [students for (_, n), students in groups.items() if n == number]
            pairs = [pair for students in of_round for pair in permutations(students, 2)]
            rows.append(_promotions(mode, number, sum(map(len, of_round)), pairs, level, attempts))
        table += [*rows, _all(mode, rows)]
    return table


def _promotions(
    mode: Mode,
    number: int,
    n_students: int,
    pairs: Sequence[tuple[Student, Student]],
    level: float,
    attempts: int,
) -> Promotions:
    promoted = [decide(a.sealed, b.sealed, mode, level, attempts=attempts).promoted for a, b in pairs]
    better = [_is_better(a, b) for a, b in pairs]
    refuted = sum(yes and no is False for yes, no in zip(promoted, better, strict=True))
    checked = len(pairs) - better.count(None)
    return Promotions(mode, number, n_students, len(pairs), sum(promoted), checked, refuted)


def _is_better(before: Student, after: Student) -> bool | None:
    """Whether the second has more of the diagnose questions right; None where they were not asked."""
    if before.diagnose is None or after.diagnose is None:
        return None
    return change(before.diagnose, after.diagnose).difference > 0


def _all(mode: Mode, rows: Sequence[Promotions]) -> Promotions:
    counts = ("students", "pairs", "promoted", "checked", "refuted")
    return Promotions(mode, None, *(sum(getattr(row, name) for row in rows) for name in counts))


def _students(study: Path) -> Mapping[tuple[str, int], list[Student]]:
    """The students by strategy and round, one a seed; groups of fewer than two are left out."""
    groups: dict[tuple[str, int], list[Student]] = {}
    for run in _finished(study):
        for number in range(1, run.profile.iterations + 1):
            one = run.iteration(number)
            diagnose = one.load("predictions_diagnose") if one.has("predictions_diagnose") else None
            student = Student(one.load("predictions_sealed"), diagnose)
            groups.setdefault((run.profile.strategy, number), []).append(student)
    groups = {key: students for key, students in groups.items() if len(students) > 1}
    if not groups:
        raise KitError(
            f"{str(study)!r} has no two finished cells of one strategy; make a study first: python -m "
            "dataengine_utils.loop ablation --seeds 8 --out FOLDER"
        )
    return groups


def _finished(study: Path) -> Iterator[Run]:
    for folder in sorted((study / "cells").glob("*")):
        if (folder / RUN_FILE).exists() and (folder / FILE).exists():
            journal: dict[str, Any] = files.read_object(folder / FILE, dict)
            if journal["done"]:
                yield open_run(folder)


NOTE = (
    "promoted: a student of another seed can truly be the better one, so these are not all false.",
    "false: promoted, and not better on the diagnose questions, which the gate did not see; of the checked,",
    "which answered them. The pairs are not independent: each student is in many.",
)


def promotions_text(table: Sequence[Promotions], level: float) -> str:
    """The table as lines of text."""
    title = f"Students of one strategy and round that differ in the seed alone, at a level of {level:g}"
    head = _line("gate", "round", "students", "pairs", "promoted", "%", "checked", "false", "%")
    return "\n".join([title, head, *map(_row, table), *NOTE])


def _row(one: Promotions) -> str:
    number = "all" if one.round is None else str(one.round)
    counts = [f"{n:,}" for n in (one.students, one.pairs, one.promoted)]
    share = one.refuted_share
    checked = ["0"] if share is None else [f"{one.checked:,}", f"{one.refuted:,}", f"{100 * share:.1f}"]
    return _line(one.mode, number, *counts, f"{100 * one.share:.1f}", *checked)


def _line(name: str, *cells: str) -> str:
    return f"{name:<9}" + "".join(f"{cell:>10}" for cell in cells)
