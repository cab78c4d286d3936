"""`python -m dataengine_utils.gate STUDY`: how often the gate promotes a student that is no better."""

import argparse
import sys
from pathlib import Path

from ..commands import exit_code
from .same_students import false_promotions, promotions_text


def main(arguments: list[str] | None = None) -> int:
    """The command line; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m dataengine_utils.gate",
        description="Count, in the cells of an ablation study, the promotions between students that differ "
        "in the seed alone.",
    )
    parser.add_argument(
        "study", type=Path, metavar="STUDY", help="the study's folder, such as outputs/ablation"
    )
    parser.add_argument(
        "--level", type=float, default=0.05, help="the level of the gate's tests (%(default)s)"
    )
    parser.add_argument(
        "--attempts",
        type=int,
        default=1,
        help="the trainings of an iteration that share the level (%(default)s)",
    )
    options = parser.parse_args(arguments)
    return exit_code(lambda: _print(options))


def _print(options: argparse.Namespace) -> None:
    table = false_promotions(options.study, level=options.level, attempts=options.attempts)
    print(promotions_text(table, options.level / options.attempts))


if __name__ == "__main__":
    sys.exit(main())
