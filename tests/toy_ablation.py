"""A cell of a study that answers at once, with known scores by strategy; and a study of such cells.

`python -m toy_ablation FOLDER BASE PARENT` is the cell, `python -m toy_ablation study OUT N JOBS` the study.
The file `started` beside the cells gets a line for every start of a cell; where a file `hang` lies there,
cells wait in their last round; where `fail` lies, they end with an error.
"""

import random
import sys
import time
from pathlib import Path

from dataengine_utils import kernel
from dataengine_utils.ablation import make_study, running
from dataengine_utils.ablation.journal import open_journal
from dataengine_utils.artifacts import open_run
from dataengine_utils.records import Prediction

TYPES = ("Easy", "Hard")
GAIN = {"uniform": 0.1, "paper": 0.3}  # of the hard type in a round, as a share of its questions
N = 60  # questions a type
SETTINGS = {"budget": 50, "iterations": 2}


def answers(strategy: str, seed: int, number: int) -> list[Prediction]:
    """Easy questions are right by nine in ten; hard ones by 0.3, and the strategy's gain more a round."""
    rng = random.Random(f"{seed}-{number}")
    shares = {"Easy": 0.9, "Hard": 0.3 + GAIN[strategy] * number}
    right = {name: {n for n in range(N) if (n + rng.random()) / N < shares[name]} for name in TYPES}
    return [
        Prediction(f"{name} {n}", name, "", "A", "right" if n in right[name] else "wrong")
        for name in TYPES
        for n in range(N)
    ]


def run_cell(folder: str, base: str) -> None:
    """What `ablation.cell` does, without a student."""
    run = open_run(folder)
    with (run.path.parent / "started").open("a") as log:
        log.write(f"{run.path.name}\n")
    journal, profile = open_journal(run), run.profile
    if (run.path.parent / "fail").exists():
        sys.exit("error: the toy was told to fail")
    for number in range(profile.iterations + 1 if base else 1):
        if number == profile.iterations:
            while (run.path.parent / "hang").exists():
                time.sleep(0.05)

        def measure(number: int = number) -> dict:
            who = (profile.strategy, profile.seed) if number else ("uniform", 0)
            for split in ("diagnose", "sealed"):
                run.iteration(number).save(f"predictions_{split}", answers(*who, number))
            return {"right": {"sealed": 0.5}}

        journal.step(number, "measure", measure)
        if base and number < profile.iterations:
            given = {"Easy": 25, "Hard": 25} if profile.strategy == "uniform" else {"Easy": 5, "Hard": 45}
            data = {"queries": 60, "samples": 50, "usd": 0.5 * (number + 1), "given": given}
            journal.step(number, "data", lambda facts=data: facts)
            journal.step(number, "train", lambda: {"steps": 7, "examples": 50})
    journal.finish()


def toy_study(out: str | Path, n_seeds: int = 3):
    """uniform and paper on the toy."""
    return make_study(out, strategies=["uniform", "paper"], n_seeds=n_seeds, overrides=SETTINGS)


def main(first: str, *rest: str) -> None:
    if first == "study":
        running.CELL = "toy_ablation"
        running.run_study(toy_study(rest[0], int(rest[1])), n_jobs=int(rest[2]))
    else:
        kernel.die_with(int(rest[1]))
        run_cell(first, rest[0])


if __name__ == "__main__":
    main(*sys.argv[1:])
