"""Does the embedded loop really improve the student? Several seeds, sealed questions, paired intervals.

    python -m dataengine_utils.picturebook.study --seeds 0 1 2 3 4 --out outputs/study

Each seed is a whole loop in a folder of its own (one that is done is not run again); the table compares
the closing evaluation with the base's, question by question.
"""

import argparse
import sys
from pathlib import Path

from ..ablation.results import WEAK_BELOW
from ..ablation.writing import markdown
from ..artifacts import Run
from ..errors import KitError
from ..loop import run_loop
from ..records import Prediction
from ..stats import Paired
from ..weakness import LEVEL, change, changes


def main() -> int:
    """Run the loops that are missing, then print the table and write it as study.md in the folder."""
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.picturebook.study")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--out", default="outputs/study")
    options = parser.parse_args()
    if options.iterations < 1:
        parser.error("--iterations: a change needs 1 or more")
    try:
        runs = [
            run_loop(Path(options.out) / f"seed_{seed}", "picturebook", overrides={"seed": seed},
                     iterations=options.iterations, keep_finished=True)
            for seed in options.seeds
        ]
        text = study_table(runs, options.iterations)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    (Path(options.out) / "study.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def study_table(runs: list[Run], iterations: int) -> str:
    """Markdown: per seed the change in points overall and on the weak types, and the types that fell.

    Compared are the base and the student after `iterations`, question by question. The weak types are those
    under 55 % at the base. Intervals are Tango's (95 %, paired). A type "fell" when McNemar's exact p,
    adjusted by Holm over the types of the seed, is under 0.05; the column beside it counts without adjusting.
    """
    pairs = [_sealed(run, iterations) for run in runs]
    seeds = [str(run.profile.seed) for run in runs]
    rows = [[seed, *_row(before, after)] for seed, (before, after) in zip(seeds, pairs, strict=True)]
    head = ("seed", "base", "after", "all questions", "weak types", "which are", "fell",
            "lower, p < 0.05 unadjusted", "lowest change")
    return f"{markdown(head, rows)}\n\n{_by_type(seeds, pairs)}\n"


def _row(before: list[Prediction], after: list[Prediction]) -> list[str]:
    base = _accuracy(before)
    weak = [name for name, share in base.items() if share < WEAK_BELOW]
    changed = changes(before, after)
    overall = changed.pop("all").paired
    fell = [name for name, one in changed.items() if one.verdict == "lower"]
    lower = [name for name, one in changed.items() if one.paired.difference < 0 and one.paired.p < LEVEL]
    lowest = min(changed, key=lambda name: changed[name].paired.difference)
    return [f"{_share(before):.1%}", f"{_share(after):.1%}", _shown(overall),
            _shown(change(_of(before, weak), _of(after, weak))), ", ".join(weak), ", ".join(fell) or "none",
            str(len(lower)),
            f"{lowest} {100 * changed[lowest].paired.difference:+.1f} (p = {changed[lowest].paired.p:.2f})"]


def _by_type(seeds: list[str], pairs: list[tuple[list[Prediction], list[Prediction]]]) -> str:
    """Accuracy of every type: the base, and after the last iteration of each seed."""
    base, ends = _accuracy(pairs[0][0]), [_accuracy(after) for _, after in pairs]
    rows = [[name, f"{share:.1%}", *(f"{end[name]:.1%}" for end in ends)] for name, share in base.items()]
    return markdown(["question type", "base", *(f"seed {seed}" for seed in seeds)], rows)


def _sealed(run: Run, iterations: int) -> tuple[list[Prediction], list[Prediction]]:
    """The base's answers to the sealed questions, and those after so many iterations."""
    before, after = (run.iteration(number).load("predictions_sealed") for number in (0, iterations))
    return before, after


def _of(predictions: list[Prediction], types: list[str]) -> list[Prediction]:
    return [prediction for prediction in predictions if prediction.question_type in types]


def _share(predictions: list[Prediction]) -> float:
    return sum(prediction.outcome == "right" for prediction in predictions) / len(predictions)


def _accuracy(predictions: list[Prediction]) -> dict[str, float]:
    types = dict.fromkeys(prediction.question_type for prediction in predictions)
    return {name: _share(_of(predictions, [name])) for name in types}


def _shown(one: Paired) -> str:
    return f"{100 * one.difference:+.1f} ({100 * one.low:+.1f} to {100 * one.high:+.1f})"


if __name__ == "__main__":
    sys.exit(main())
