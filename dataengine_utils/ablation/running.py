"""Running a study: the base once, then the cells that are not done, several at once."""

import os
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean

from .. import files
from ..artifacts import RUN_FILE, Run
from ..checks import check_data, check_folder, check_names
from .design import Cell, Study
from .journal import read_journal, why_not_current
from .tasks import Place, Task, places, run_tasks

CELL = "dataengine_utils.ablation.cell"
LOG = "log.txt"


def run_study(study: Study, *, n_jobs: int | None = None, keep_finished: bool = False) -> None:
    """Run what is missing of a study and print a line a cell; what is done stays.

    `n_jobs` cells run at once, by default one a GPU, or without any one a core. A study that was killed goes
    on in the middle of its cells. Cells of other code are made anew, unless `keep_finished`. Raises
    `KitError` when a check or a cell fails, and when another process is at work in the folder.
    """
    from ..loop import only_one

    files.make_folder(study.path)
    with only_one(study.path):
        base, where = study.base_run(), places(n_jobs)
        check_folder(study.path)
        check_names(base.profile)
        check_data(base.profile)
        options = ("--keep-finished",) if keep_finished else ()
        if _missing(base, keep_finished):
            print("measuring the student before any training", flush=True)
            run_tasks([_task("base", base.path, "", options)], where[:1])
        _run_cells(study, base.path, where, keep_finished, options)


def cell_states(study: Study) -> dict[Cell, str]:
    """Each cell's state in a few words; nothing is written or run."""
    return {cell: _state(study, cell) for cell in study.cells()}


def _state(study: Study, cell: Cell) -> str:
    if not (cell.path / RUN_FILE).exists():
        return "to do"
    run = study.run_of(cell)
    journal = read_journal(run)
    why = why_not_current(run, journal)
    if journal.done:
        return f"{journal.seconds:,.0f} s" + (f" ({why} since)" if why else "")
    rounds = max((step["round"] for step in journal.steps), default=0)
    return f"{rounds} of {run.profile.iterations} rounds" if journal.steps else "to do"


def _run_cells(
    study: Study, base: Path, where: list[Place], keep_finished: bool, options: tuple[str, ...]
) -> None:
    study.share_budgets()
    runs = {cell: study.run_of(cell) for cell in study.cells()}
    left = [cell for cell, run in runs.items() if _missing(run, keep_finished)]
    done = [read_journal(run).seconds for cell, run in runs.items() if cell not in left]
    if done:
        print(f"{len(done)} of {len(runs)} cells were done already", flush=True)
    if not left:
        return
    told = _Told(len(runs), len(where), len(done), done)
    logs = study.path / "cells" / "*" / LOG
    print(f"{len(left)} cells to run, {len(where)} at once; their logs: {logs}", flush=True)
    tasks = {_task(cell.title, cell.path, str(base), options): cell for cell in left}
    run_tasks(list(tasks), where, lambda task: told.cell(tasks[task], runs[tasks[task]]))


@dataclass
class _Told:
    """The lines about finished cells, with the time that is left by the mean of those so far."""

    n: int
    n_jobs: int
    n_done: int
    seconds: list[float] = field(default_factory=list)
    start: float = field(default_factory=time.monotonic)

    def cell(self, cell: Cell, run: Run) -> None:
        """Say that a cell is done."""
        journal = read_journal(run)
        self.n_done += 1
        self.seconds.append(journal.seconds)
        left = fmean(self.seconds) * (self.n - self.n_done) / self.n_jobs / 60
        right = journal.steps[-1]["right"]["sealed"]
        print(
            f"[{self.n_done:>3}/{self.n}] {cell.title:<24}{journal.seconds:7.0f} s   sealed {right:6.1%}   "
            f"{(time.monotonic() - self.start) / 60:4.0f} min so far, about {left:.0f} min left",
            flush=True,
        )


def _missing(run: Run, keep_finished: bool) -> bool:
    journal = read_journal(run)
    why = why_not_current(run, journal, keep_finished=keep_finished)
    if journal.done and why:
        print(f"{run.path.name}: made again, for its {why} (--keep-finished keeps it)", file=sys.stderr)
    return bool(why) or not journal.done


def _task(title: str, path: Path, base: str, options: tuple[str, ...]) -> Task:
    return Task(title, CELL, (str(path), base, str(os.getpid()), *options), path / LOG)
