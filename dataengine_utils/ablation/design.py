"""What a study consists of: its settings, its cells, and where they lie."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ..allocation import STRATEGIES
from ..artifacts import RUN_FILE, Run, change_run, open_run
from ..errors import KitError, unknown_name
from ..profiles import MAY_CHANGE, load_profile
from ..registry import resolve

BASELINE = "uniform"
"""The strategy that all others are compared with."""

SIZES: dict[str, dict[str, Any]] = {
    "picturebook": {"iterations": 3, "budget": 600, "replay_samples": 2000},
}
"""What a cell changes in the profile of that name. Small rounds: with plenty of data for every type it hardly
matters how it is shared.
"""
BASE = "base"
_OF_THE_STUDY = ("strategy", "seed")


@dataclass(frozen=True)
class Cell:
    """One strategy with one seed, and its folder."""

    strategy: str
    seed: int
    path: Path

    @property
    def title(self) -> str:
        return f"{self.strategy}, seed {self.seed}"


@dataclass(frozen=True)
class Study:
    """A study's folder, the settings that all its cells share, and its strategies and seeds.

    `overrides` are laid over the profile; a run of the folder holds them. More seeds and strategies may join
    later; other settings need another folder.
    """

    path: Path
    profile: str
    strategies: tuple[str, ...]
    seeds: tuple[int, ...]
    overrides: dict[str, Any] = field(default_factory=dict)

    def cells(self) -> list[Cell]:
        """All cells, seed by seed: a study that is cut off has whole seeds."""
        return [
            Cell(strategy, seed, self.path / "cells" / f"{_folder(strategy)}_seed_{seed:02d}")
            for seed in self.seeds
            for strategy in self.strategies
        ]

    def with_seeds(self, n: int) -> "Study":
        """The same study with the seeds 0 to n - 1."""
        return replace(self, seeds=tuple(range(n)))

    def base_run(self) -> Run:
        """The run that measures the student before any training, for all cells."""
        return self._open(self.path / BASE, {})

    def run_of(self, cell: Cell) -> Run:
        """The run of a cell. What a paid teacher may cost is divided equally between the cells."""
        return self._open(cell.path, {"strategy": cell.strategy, "seed": cell.seed})

    def share_budgets(self) -> None:
        """Give the cells that began earlier their parts of the teachers' budgets, as they are now."""
        for cell in self.cells():
            if (cell.path / RUN_FILE).exists():
                change_run(cell.path, self._money())

    def _open(self, path: Path, own: Mapping[str, Any]) -> Run:
        begun = open_run(path).profile if (path / RUN_FILE).exists() else None
        kept = {name: getattr(begun, name) for name in MAY_CHANGE} if begun else self._money()
        return open_run(path, self.profile, {**self.overrides, **kept, **own})

    def _money(self) -> dict[str, float]:
        profile, n = load_profile(self.profile, self.overrides), len(self.strategies) * len(self.seeds)
        return {name: getattr(profile, name) / n for name in ("budget_usd", "judge_budget_usd")}


def make_study(
    path: str | Path,
    profile: str | Path = "picturebook",
    *,
    strategies: Sequence[str] = (BASELINE, "paper", "shrunk", "gain"),
    n_seeds: int = 8,
    overrides: Mapping[str, Any] | None = None,
) -> Study:
    """The study in a folder; nothing is written. `overrides` go before the sizes that `SIZES` has.

    Without `overrides` a study that began keeps its own. Raises `KitError` for an unknown strategy or one
    that is there twice, no `BASELINE`, fewer than two strategies or seeds, and for settings that are the
    study's own.
    """
    folder = Path(path).expanduser().absolute()
    given = dict(overrides or _begun_with(folder))
    _check(strategies, n_seeds, given)
    settings = {**SIZES.get(str(profile), {}), **given}
    study = Study(folder, str(profile), tuple(strategies), tuple(range(n_seeds)), settings)
    load_profile(study.profile, study.overrides)  # names and values are checked here, before any folder is
    return study


def _check(strategies: Sequence[str], n_seeds: int, overrides: Mapping[str, Any]) -> None:
    for name in strategies:
        if ":" in name:
            resolve("strategy", STRATEGIES, name)
        elif name not in STRATEGIES:
            raise unknown_name("strategy", name, list(STRATEGIES))
    folders = {_folder(name) for name in strategies}
    if BASELINE not in strategies or len(folders) < max(2, len(strategies)):
        raise KitError(
            f"strategies {', '.join(strategies) or '(none)'}: a study compares {BASELINE!r} with one or more "
            f"others, each named once, as in --strategies {BASELINE},paper"
        )
    if n_seeds < 2:
        raise KitError(f"{n_seeds} seeds: without at least 2 nothing says how far seeds differ (--seeds 8)")
    for name in _OF_THE_STUDY:
        if name in overrides:
            raise KitError(f"--set {name}: a study sets it itself; say --strategies and --seeds")


def _begun_with(folder: Path) -> dict[str, Any]:
    """The settings of the study that began in a folder, but those that may change."""
    if not (folder / BASE / RUN_FILE).exists():
        return {}
    overrides = open_run(folder / BASE).overrides
    return {name: value for name, value in overrides.items() if name not in MAY_CHANGE}


def _folder(strategy: str) -> str:
    return re.sub(r"\W+", "_", strategy)
