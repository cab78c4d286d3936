"""The command `ablation` of `python -m dataengine_utils.loop`."""

import argparse
from typing import TYPE_CHECKING, Any

from ..errors import KitError
from ..profiles import PROFILES, parse_overrides

if TYPE_CHECKING:
    from .results import Results

DEFAULT = "uniform,paper,shrunk,gain"
PILOT, MOST = 4, 24
AUTO = "auto"


def add_ablation(commands: Any) -> None:
    """Add the command to an argument parser's sub-commands."""
    command = commands.add_parser("ablation", help="compare strategies at the same budget, over seeds")
    command.add_argument("--profile", default="picturebook", help=f"{', '.join(PROFILES)} or a YAML file")
    command.add_argument("--strategies", default=DEFAULT, metavar="A,B,...", help=f"by default {DEFAULT}")
    command.add_argument("--seeds", default="8", metavar="N", help=f"how many, or {AUTO}: {PILOT} seeds show "
                         f"how far seeds differ, then as many as --effect needs, at most {MOST}")  # fmt: skip
    command.add_argument("--effect", type=float, default=2.0, metavar="POINTS",
                         help="the difference to be found with a power of 80 %% (2 points)")  # fmt: skip
    command.add_argument("--jobs", type=int, metavar="N", help="cells at once (one a GPU, else one a core)")
    command.add_argument("--out", required=True, help="the study's folder, such as outputs/ablation")
    command.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change one field")
    command.add_argument("--keep-finished", action="store_true",
                         help="keep cells that were made with an older version of the code")  # fmt: skip
    command.set_defaults(function=run_ablation, again="the same command again")


def run_ablation(options: argparse.Namespace) -> None:
    """Run what is missing of the study, print its table, and write its files into the folder."""
    from . import compare, make_study, results_text, run_study, write_results

    if options.effect <= 0:
        raise KitError(f"--effect: expected points above 0, got {options.effect}")
    pilot = options.seeds == AUTO
    study = make_study(
        options.out, options.profile, strategies=[name.strip() for name in options.strategies.split(",")],
        n_seeds=PILOT if pilot else _number(options.seeds), overrides=parse_overrides(options.set),
    )  # fmt: skip
    how = {"n_jobs": options.jobs, "keep_finished": options.keep_finished}
    run_study(study, **how)
    if pilot:
        study = study.with_seeds(_seeds_by_pilot(compare(study), options.effect))
        run_study(study, **how)
    results = compare(study)
    paths = write_results(results, study.path)
    print(f"\n{results_text(results)}\n{_power(results, options.effect)}")
    print("written: " + ", ".join(str(path) for path in paths))


def _seeds_by_pilot(results: "Results", effect: float) -> int:
    n = _needed(results, effect)
    print(f"pilot of {PILOT} seeds: to find {effect:g} points takes {n} seeds (power 80 %)", flush=True)
    return min(max(n, PILOT), MOST)


def _power(results: "Results", effect: float) -> str:
    n, given = _needed(results, effect), len(results.seeds)
    verb = "are enough" if n <= given else "are too few"
    return (
        f"{given} seeds {verb} for a difference of {effect:g} points on all questions: with intervals as "
        f"wide as these, {n} are needed to find it with a power of 80 %."
    )


def _needed(results: "Results", effect: float) -> int:
    from .differences import needed
    from .results import ALL

    return needed(results.of(ALL), effect / 100)


def _number(text: str) -> int:
    if not text.isdecimal():
        raise KitError(f"--seeds: expected a number of seeds or {AUTO!r}, got {text!r}")
    return int(text)
