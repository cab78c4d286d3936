"""One cell, as a process of its own: `python -m dataengine_utils.ablation.cell FOLDER BASE PARENT`.

BASE is the folder of the run that measured the base student, or "" for that run itself; PARENT is the
process with which this one dies.
"""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from .. import files, kernel
from ..artifacts import Run, open_run
from ..errors import KitError
from .journal import Journal, open_journal

if TYPE_CHECKING:
    from .rounds import Rounds

SPLITS = ("diagnose", "sealed")


def run_cell(run: Run, base: Run | None, *, keep_finished: bool = False) -> Journal:
    """Do what is left of a cell: measure, make data, train, round after round; without `base`, measure only.

    The sealed questions are asked after every round, which makes the curve over samples. The adapters are
    removed at the end: the samples and settings make them again.
    """
    from .rounds import Rounds  # it imports torch

    journal, rounds = open_journal(run, keep_finished=keep_finished), Rounds(run)
    if base is None:
        journal.step(0, "measure", lambda: rounds.measure(0, SPLITS))
    else:
        _do_rounds(run, base, journal, rounds)
    for iteration in run.iterations():
        files.remove(iteration.path_of("adapter"))
    for cache in ("features", "embeddings"):
        files.remove(run.path / cache)
    if not journal.done:
        journal.finish()
    return journal


def _do_rounds(run: Run, base: Run, journal: Journal, rounds: "Rounds") -> None:
    last = run.profile.iterations
    journal.step(0, "measure", lambda: rounds.take_over(base))
    for number in range(last):
        journal.step(number, "data", lambda n=number: rounds.make_data(n))
        journal.step(number, "train", lambda n=number: rounds.train(n))
        splits = SPLITS if number + 1 < last else ("sealed",)
        journal.step(number + 1, "measure", lambda n=number + 1, asked=splits: rounds.measure(n, asked))
        print(f"round {number + 1} of {last} is done: {journal.steps[-1]}", flush=True)


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.ablation.cell")
    parser.add_argument("folder", type=Path)
    parser.add_argument("base")
    parser.add_argument("parent", type=int)
    parser.add_argument("--keep-finished", action="store_true")
    options = parser.parse_args(arguments)
    kernel.die_with(options.parent)
    kernel.hush()
    try:
        base = open_run(options.base) if options.base else None
        run_cell(open_run(options.folder), base, keep_finished=options.keep_finished)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
