"""Does the embedded loop really improve the student? Several seeds, sealed questions, paired intervals.

    python -m dataengine_utils.picturebook.study --seeds 0 1 2 3 4 --out outputs/study

Each seed is a whole loop in a folder of its own (one that is done is not run again); the table compares
the closing evaluation with the base's, question by question.
"""

import argparse
import sys
from pathlib import Path

from ..artifacts import Run
from ..errors import KitError
from ..loop import run_loop
from ..records import Prediction
from ..stats import Paired, holm, paired_difference

WEAK_BELOW = 0.55


def main() -> int:
    """Run the loops that are missing, then print the table and write it as study.md in the folder."""
    parser = argparse.ArgumentParser(prog="python -m dataengine_utils.picturebook.study")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--out", default="outputs/study")
    options = parser.parse_args()
    try:
        runs = [
            run_loop(Path(options.out) / f"seed_{seed}", "picturebook", overrides={"seed": seed},
                     iterations=options.iterations, keep_finished=True)
            for seed in options.seeds
        ]
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    text = study_table(runs)
    (Path(options.out) / "study.md").write_text(text, encoding="utf-8")
    print(text)
    return 0


def study_table(runs: list[Run]) -> str:
    """Markdown: per seed the change in points overall and on the weak types, and the types that fell.

    The weak types are those under 55 % at the base. Intervals are Tango's (95 %, paired). A type "fell" when
    McNemar's exact p, adjusted by Holm over the types of the seed, is under 0.05.
    """
    rows = [_row(run) for run in runs]
    head = ("seed", "base", "after", "all questions", "weak types", "which are", "fell", "lowest change")
    lines = [_line(head), _line(["---"] * len(head)), *(_line(row) for row in rows)]
    return "\n".join(lines) + "\n\n" + _by_type(runs) + "\n"


def _row(run: Run) -> list[str]:
    before, after = _sealed(run)
    overall = _change(before, after)
    base = _accuracy(before)
    weak = [name for name, share in base.items() if share < WEAK_BELOW]
    weakly = _change(_of(before, weak), _of(after, weak))
    changes = {name: _change(_of(before, [name]), _of(after, [name])) for name in base}
    adjusted = dict(zip(changes, holm([change.p for change in changes.values()]), strict=True))
    fell = [name for name, one in changes.items() if one.difference < 0 and adjusted[name] < 0.05]
    lowest = min(changes, key=lambda name: changes[name].difference)
    return [str(run.profile.seed), f"{_share(before):.1%}", f"{_share(after):.1%}", _shown(overall),
            _shown(weakly), ", ".join(weak), ", ".join(fell) or "none",
            f"{lowest} {100 * changes[lowest].difference:+.1f} (p = {changes[lowest].p:.2f})"]


def _by_type(runs: list[Run]) -> str:
    """Accuracy of every type: the base, and after the last iteration of each seed."""
    pairs = [_sealed(run) for run in runs]
    base, ends = _accuracy(pairs[0][0]), [_accuracy(after) for _, after in pairs]
    lines = [_line(["question type", "base", *(f"seed {run.profile.seed}" for run in runs)]),
             _line(["---"] * (2 + len(runs)))]
    lines += [
        _line([name, f"{share:.1%}", *(f"{end[name]:.1%}" for end in ends)]) for name, share in base.items()
    ]
    return "\n".join(lines)


def _sealed(run: Run) -> tuple[list[Prediction], list[Prediction]]:
    measured = [iteration for iteration in run.iterations() if iteration.has("predictions_sealed")]
    if len(measured) < 2:
        raise KitError(f"{run.path} has {len(measured)} evaluations; a change needs two: "
                       f"python -m dataengine_utils.loop resume {run.path}")
    return measured[0].load("predictions_sealed"), measured[-1].load("predictions_sealed")


def _of(predictions: list[Prediction], types: list[str]) -> list[Prediction]:
    return [prediction for prediction in predictions if prediction.question_type in types]


def _right(predictions: list[Prediction]) -> list[bool]:
    return [prediction.outcome == "right" for prediction in predictions]


def _share(predictions: list[Prediction]) -> float:
    return sum(_right(predictions)) / len(predictions)


def _accuracy(predictions: list[Prediction]) -> dict[str, float]:
    types = dict.fromkeys(prediction.question_type for prediction in predictions)
    return {name: _share(_of(predictions, [name])) for name in types}


def _change(before: list[Prediction], after: list[Prediction]) -> Paired:
    return paired_difference(_right(before), _right(after))


def _shown(change: Paired) -> str:
    return f"{100 * change.difference:+.1f} ({100 * change.low:+.1f} to {100 * change.high:+.1f})"


def _line(cells: "list[str] | tuple[str, ...]") -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
